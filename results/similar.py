"""Photos that look much like another, for a person who wonders where an item was seen before.

Looser than the rule for repeats, which accuses: whatever is near by the perceptual hash is shown, the nearest first.
"""

from sqlalchemy import Connection, select

from results.repeats import correlation, find_within, looks
from results.schema import fingerprints, photos

MOST_SIMILAR = 100
# All within five bits cost little to find. Only where these are too few, as they are among phone photos, the search
# goes on to eight: a phone photo then has 23 neighbours in a million (median; at most 593), one on studio white 383.
_BITS = (5, 8)
_MOST_COMPARED = 200  # miniatures, of the nearest; who has more neighbours sees enough of them


def find_similar(connection: Connection, photo_id: int, most: int = MOST_SIMILAR) -> list[str]:
    """Return the sha256 of the photos that look most like one, the nearest first; never its own.

    Nearer is what differs in fewer bits of the difference hash; of those that differ in as many, what has the more
    similar miniature.

    Args:
        connection: for reading.
        photo_id: of the photo; nothing is like one that is not there, could not be read or shows nothing.
        most: photos to return at most.
    """
    query = select(fingerprints).join(photos, photos.c.sha256 == fingerprints.c.sha256).where(photos.c.id == photo_id)
    own = connection.execute(query).mappings().first()
    if own is None:
        return []
    near: dict[int, int] = {}
    for most_bits in _BITS:
        near = find_within(connection, own["dhash"], most_bits)
        near.pop(own["id"], None)
        if len(near) >= most:
            break
    ids = sorted(near, key=lambda number: (near[number], number))[:_MOST_COMPARED]
    found = [
        (near[number], -correlation(own["miniature"], miniature), sha256)
        for number, sha256, miniature in looks(connection, ids)
    ]
    return [sha256 for _, _, sha256 in sorted(found)[:most]]
