"""What a CSV file needs so that a spreadsheet opens it as it is meant."""

# Without it Excel takes UTF-8 for the code page of the machine and garbles every name that is not plain English.
BYTE_ORDER_MARK = "\ufeff"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def without_formula(value: object) -> object:
    """Return a value with an apostrophe before what a spreadsheet would run as a formula; a file name can be one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
