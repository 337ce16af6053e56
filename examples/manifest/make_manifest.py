"""Make a manifest for the batch client from an export of the shop.

The export names each photo's return and the shop's own category. The manifest keeps the words of the shop. The batch
client learns from CATEGORY_MAP=category_map.csv which of the 27 categories they mean, and lists the words that the map
lacks. The photos of such an order are classified, and not compared with the order.

Usage: python make_manifest.py orders.csv > INBOX/manifest.csv
"""

import csv
import sys
from pathlib import Path


def main(orders: str) -> None:
    """Print the manifest."""
    manifest = csv.writer(sys.stdout, lineterminator="\n")
    manifest.writerow(["filename", "return_id", "expected_category"])
    with Path(orders).open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file, delimiter=";"):
            manifest.writerow([row["photo"], row["return_number"], row["shop_category"]])


if __name__ == "__main__":
    main(*sys.argv[1:])
