// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/**
 * @title Inclusion and consistency proofs of RFC 9162 trees (SHA-256, 0x00 before leaves, 0x01 before nodes)
 * @notice Source: RFC 9162 sections 2.1.3.2 and 2.1.4.2. OpenZeppelin's MerkleProof sorts pairs and knows neither index
 * nor size.
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

    /**
     * @notice Whether a tree begins with all leaves of an earlier tree, in their order.
     * @param oldSize The earlier tree's number of leaves; 0: every tree extends it, and its root is not looked at.
     * @param oldRoot The earlier tree's root.
     * @param newSize The tree's number of leaves.
     * @param newRoot The tree's root.
     * @param path The proof; empty for an earlier tree that is empty or of the same size.
     * @return True if the proof holds, which has no hash too many.
     */
    function isConsistent(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata path
    ) internal pure returns (bool) {
        if (oldSize > newSize) return false;
        if (oldSize == 0) return path.length == 0;
        if (oldSize == newSize) return path.length == 0 && oldRoot == newRoot;
        uint256 node = oldSize - 1; // the last leaf of the earlier tree, then its ancestors
        uint256 last = newSize - 1; // index of the last node of the level
        while (node & 1 == 1) {
            node >>= 1;
            last >>= 1;
        }
        // The largest complete subtree that ends with the earlier tree: that tree itself, or the proof's first hash.
        uint256 used = 0;
        bytes32 computed = oldRoot;
        if (node != 0) {
            if (path.length == 0) return false;
            computed = path[used++];
        }
        bytes32 computedOld = computed;
        for (; used < path.length; ++used) {
            if (last == 0) return false;
            bytes32 sibling = path[used];
            if (node & 1 == 1 || node == last) {
                computedOld = _parent(sibling, computedOld);
                computed = _parent(sibling, computed);
                while (node & 1 == 0 && node != 0) {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                computed = _parent(computed, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        return last == 0 && computedOld == oldRoot && computed == newRoot;
    }

    /// @dev The hash of an inner node.
    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
