"""A home on engines that run elsewhere: which, by the environment, and the network in the embedded node's place."""

from __future__ import annotations

from types import TracebackType
from typing import Annotated, Self

from pydantic import Field

from archive_api.protection.secrets import ServerSettings

__all__ = ["OutsideEngines", "OutsideNode"]


class OutsideEngines(ServerSettings):
    """Engines that a home uses instead of its embedded ones; `Settings` reads the rest of theirs by itself.

    Attributes:
        database_url: SQLAlchemy URL of the catalogue, also from the file that `YUNSHANG_DATABASE_URL_FILE` names; None:
            the home's SQLite.
        rpc_url: a node of the network; None: the home's embedded node.
        rpc_fallback_urls: further ones.
        confirmations: how many blocks on top of a block make it final.
        ipfs_addresses: where content is kept; none: in the home's block store.
    """

    database_url: Annotated[str | None, Field(repr=False)] = None
    rpc_url: str | None = None
    rpc_fallback_urls: tuple[str, ...] = ()
    confirmations: Annotated[int, Field(ge=0)] = 12
    ipfs_addresses: tuple[str, ...] = ()


class OutsideNode:
    """The nodes of a network, as far as a home needs of them what it needs of its embedded node.

    Args:
        urls: their addresses, in the order in which they are asked.
        chain_id: the chain they must be on.
        confirmations: how many blocks on top of a block make it final.
    """

    def __init__(self, urls: tuple[str, ...], *, chain_id: int, confirmations: int) -> None:
        self.urls = urls
        self._chain_id = chain_id
        self._confirmations = confirmations

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: nobody's nodes are stopped here."""

    @property
    def rpc_url(self) -> str:
        """The first node's address."""
        return self.urls[0]

    def final_block_number(self) -> int:
        """The newest block with enough blocks on top of it.

        Raises:
            MismatchError: it is a network of another chain.
            TransportError: no node answers.
        """
        from ledger.adapters.evm import newest_block

        head = newest_block(self.urls, chain_id=self._chain_id)
        return max(head.number - self._confirmations, 0)
