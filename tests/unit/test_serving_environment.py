"""Which variables the engine sees."""

from serving.environment import for_engine


def test_only_what_is_listed_passes() -> None:
    environment = {
        **{"PATH": "/bin", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "TS_INFERENCE_ADDRESS": "http://127.0.0.1:1"},
        **{
            "RESULTS_DB": "postgresql://user:secret@db/results",
            "api_key": "secret",
            "TORCH_INDEX_URL": "https://x:y@z",
        },
        **{"PYTHONPATH": "/elsewhere", "TS_CONFIG_FILE": "/other.properties", "MY_PATH": "/mine"},
    }
    seen = for_engine(environment, ["MY_PATH", "NOT_THERE"])
    assert seen.keys() == {"PATH", "LC_ALL", "OMP_NUM_THREADS", "TS_INFERENCE_ADDRESS", "MY_PATH"}
    assert all(seen[name] == environment[name] for name in seen)
