"""What the benchmarks write: figures, photos, the plot, and what the load generator counts."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from benchmarks.figures import Measured, write_json
from benchmarks.load_generator import generate
from benchmarks.photos import PhotoKind, enlarged, write_photos
from benchmarks.plot import draw
from tests.conftest import ROOT
from tests.support.drawn_photos import pixel

REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"


def test_ratios_are_taken_within_a_round(tmp_path: Path) -> None:
    measured = Measured()
    for ours, baseline in ((100.0, 10.0), (60.0, 5.0), (90.0, 10.0)):
        measured.add("throughput", "photos/s", ours, baseline)
    write_json(measured.figures(), tmp_path / "bench.json")
    assert json.loads((tmp_path / "bench.json").read_text()) == [
        {
            "figure": "throughput",
            "unit": "photos/s",
            "ours": {"min": 60, "median": 90, "max": 100},
            "baseline": {"min": 5, "median": 10, "max": 10},
            "ratio": {"min": 9, "median": 10, "max": 12},
        }
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_the_table_fits_a_terminal_of_100_columns() -> None:
    measured = Measured()
    for figure in json.loads((ROOT / "benchmarks" / "results" / "bench.json").read_text(encoding="utf-8")):
        for value in (0.123, 23456.7):
            measured.add(figure["figure"], figure["unit"], value, value, goal="at most 0.25, better 0.16")
    for width in (100, 120):
        console = Console(width=width, record=True)
        console.print(measured.table())
        lines = [line.rstrip() for line in console.export_text().splitlines()]
        assert max(map(len, lines)) <= 100
        rows = [line for line in lines if line.count("11728 (0.12 to 23457)") == 2]
        assert len(rows) == len(measured.figures()) >= 30, "each figure's numbers stand whole on one line"
        assert all(line.endswith("1.00 (1.00 to 1.00)") for line in rows)


def test_photos_have_their_size_and_differ(tmp_path: Path) -> None:
    kind = PhotoKind("small", (96, 128), noise=4.0, quality=85)
    paths = write_photos(tmp_path / "photos", kind, 14, None)  # two more than there are samples
    assert {Image.open(io.BytesIO(path.read_bytes())).size for path in paths} == {(96, 128)}
    assert len({path.read_bytes() for path in paths}) == 14


def test_plot_is_a_picture(tmp_path: Path) -> None:
    measured = Measured()
    measured.add("any", "any", 100.0, 20.0)
    figure = measured.figures()[0]
    curve = {1: figure, 2: figure}
    draw(tmp_path / "load.png", "1080x1440", curve, curve, curve, figure.ours)
    with Image.open(tmp_path / "load.png") as picture:
        assert picture.size == (1600, 740)
        assert pixel(picture, (2, 2))[:3] == (255, 255, 255)


@pytest.mark.parametrize(
    ("status", "counted"), [(200, "accepted"), (503, "refused"), (400, "unanswered"), (None, "unanswered")]
)
def test_load_generator_counts_each_answer_for_what_it_is(status: int | None, counted: str) -> None:
    bodies: list[bytes] = []

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        came = generate(server.server_port, clients=2, seconds=0.2, requests=[REQUEST + b"abc", REQUEST + b"xyz"])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    counts = {name: came[name] for name in ("accepted", "refused", "unanswered")}
    assert counts == {**dict.fromkeys(counts, 0), counted: len(bodies)}
    assert {b"abc", b"xyz"} <= set(bodies), "the requests are sent in turn"
    assert (came["p50_ms"] > 0) == (status == 200)


def test_noise_grows_with_the_light_as_a_sensor_s_does() -> None:
    kind = PhotoKind("small", (200, 200), noise=4.0, quality=95)
    deviations = []
    for grey in (30, 128, 220):
        photo = Image.open(io.BytesIO(enlarged(Image.new("RGB", (160, 160), (grey, grey, grey)), kind, seed=1)))
        deviations.append(float(np.asarray(photo.convert("L"), dtype=np.float32).std()))
    assert deviations == sorted(deviations)
    assert deviations[1] == pytest.approx(kind.noise, rel=0.3)
