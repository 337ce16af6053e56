"""The one owner of the results: tables, migrations, named queries."""
