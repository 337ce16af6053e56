"""The environment of Java and its workers: an allow-list, because they decode photos of strangers.

The shell that starts the service may hold what other programs need, such as passwords of databases and proxies.
"""

from collections.abc import Iterable, Mapping

_NAMES = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TZ", "USER"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONUNBUFFERED", "PYTHONUTF8"),
        "SERVING_STATE",  # says whose processes these are
    }
)
# Locales, settings of TorchServe, and threads, memory and devices of the libraries that compute.
_PREFIXES = ("LC_", "TS_", "CUDA_", "GOMP_", "KMP_", "MALLOC_", "MKL_", "NVIDIA_", "OMP_", "OPENBLAS_", "OV_")
_NEVER = frozenset({"TS_CONFIG_FILE"})  # would win over the settings named on the command line


def for_engine(environment: Mapping[str, str], more: Iterable[str]) -> dict[str, str]:
    """Return the variables that the engine may see.

    Args:
        environment: of this process.
        more: names that the operator adds. PYTHONPATH is none of the allowed ones: code on it would win over the code
            in the model archive.
    """
    allowed = _NAMES | frozenset(more)
    return {
        name: value
        for name, value in environment.items()
        if (name in allowed or name.startswith(_PREFIXES)) and name not in _NEVER
    }
