"""Which room may import which."""

MAY_IMPORT = {
    "handler": set(),  # the archive carries nothing else of the repository
    "results": set(),
    "service_client": set(),
    "serving": set(),
    "training": {"handler"},
    "export": {"handler"},
    "batch_client": {"results", "service_client"},
    "web": {"results", "service_client"},
}
ROOMS = {*MAY_IMPORT, "benchmarks", "tools", "tests"}
