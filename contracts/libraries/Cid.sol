// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Binary CIDs of profile `unixfs-v1-2025`: CIDv1 with a SHA-256 digest, 36 bytes
library Cid {
    /// @notice CIDv1, dag-pb, sha2-256, 32 bytes: a directory or a file of several blocks.
    bytes4 internal constant DAG_PB = 0x01701220;

    /// @notice CIDv1, raw, sha2-256, 32 bytes: a file of one block.
    bytes4 internal constant RAW = 0x01551220;

    /// @notice Whether the bytes are the CID of a directory.
    function isDirectory(bytes calldata cid) internal pure returns (bool) {
        return cid.length == 36 && bytes4(cid[:4]) == DAG_PB;
    }

    /// @notice Whether the bytes are the CID of a file.
    function isFile(bytes calldata cid) internal pure returns (bool) {
        return cid.length == 36 && (bytes4(cid[:4]) == RAW || bytes4(cid[:4]) == DAG_PB);
    }
}
