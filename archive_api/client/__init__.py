"""A client of the archive's REST API, with resumable uploads."""

from archive_api.client.archive import ArchiveClient
from archive_api.client.connection import Connection
from archive_api.client.errors import ProblemError
from archive_api.client.uploads import LocalFile, Uploader

__all__ = ["ArchiveClient", "Connection", "LocalFile", "ProblemError", "Uploader"]
