"""Make a manifest for the batch client from an export of the shop.

The export names each photo's return and the shop's own category. The map says which of the 27 categories that is. An
order outside the map gets no expected category: its photos are classified, and not compared with the order.

Usage: python make_manifest.py orders.csv category_map.csv > INBOX/manifest.csv
"""

import csv
import sys
from pathlib import Path


def main(orders: str, category_map: str) -> None:
    """Print the manifest, and on stderr what the map lacks."""
    with Path(category_map).open(newline="", encoding="utf-8-sig") as file:
        categories = {row["shop_category"]: row["category"] for row in csv.DictReader(file)}
    manifest = csv.writer(sys.stdout, lineterminator="\n")
    manifest.writerow(["filename", "return_id", "expected_category"])
    missing = set()
    with Path(orders).open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file, delimiter=";"):
            if row["shop_category"] not in categories:
                missing.add(row["shop_category"])
            manifest.writerow([row["photo"], row["return_number"], categories.get(row["shop_category"], "")])
    for name in sorted(missing):
        print(f"not in {category_map}: {name}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
