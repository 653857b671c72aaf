"""Moving from Biboumi: its configuration file, and its users' data."""

from bridge.biboumi.configuration import Conversion, convert
from bridge.biboumi.database import Imported, import_database

__all__ = ["Conversion", "Imported", "convert", "import_database"]
