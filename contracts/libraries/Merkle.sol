// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/**
 * @title Inclusion proofs of RFC 9162 trees (SHA-256, 0x00 before leaves, 0x01 before nodes)
 * @notice Source: RFC 9162 section 2.1.3.2. OpenZeppelin's MerkleProof sorts pairs and knows neither index nor size.
 */
library Merkle {
    /**
     * @notice Whether a leaf is at an index of a tree.
     * @dev The path's length follows from index and size and no other is accepted, so an inner node can't pass for a
     * leaf, nor a proof for another index.
     * @param root The tree's root.
     * @param size The tree's number of leaves.
     * @param leaf SHA-256(0x00 ‖ entry).
     * @param index The leaf's index.
     * @param path The sibling hashes from the leaf up.
     * @return True if the proof holds.
     */
    function isIncluded(
        bytes32 root,
        uint256 size,
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata path
    ) internal pure returns (bool) {
        if (index >= size) return false;
        uint256 node = index;
        uint256 last = size - 1; // index of the last node of the level
        uint256 used = 0;
        bytes32 computed = leaf;
        while (last != 0) {
            if (node & 1 == 1 || node != last) {
                if (used == path.length) return false;
                bytes32 sibling = path[used++];
                computed = node & 1 == 1 ? _parent(sibling, computed) : _parent(computed, sibling);
            } // else the node is the lone last one and moves up unchanged
            node >>= 1;
            last >>= 1;
        }
        return used == path.length && computed == root;
    }

    /// @dev The hash of an inner node.
    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
