// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {Merkle} from "../libraries/Merkle.sol";
import {TestBase} from "./TestBase.sol";

contract MerkleTest is TestBase {
    /// @notice The library's function with calldata.
    function isIncluded(
        bytes32 root,
        uint256 size,
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata path
    ) external pure returns (bool) {
        return Merkle.isIncluded(root, size, leaf, index, path);
    }

    function testFuzz_AcceptsEveryLeafAtItsIndexOnly(uint8 sizeSeed, uint8 indexSeed, uint8 otherSeed) public view {
        uint256 size = 1 + (uint256(sizeSeed) % 70);
        uint256 index = uint256(indexSeed) % size;
        uint256 other = uint256(otherSeed) % (size + 2);
        bytes32 root = _root(0, size);
        bytes32[] memory path = _path(index, 0, size);
        assertTrue(this.isIncluded(root, size, _leaf(index), index, path), "its own index");
        assertTrue(other == index || !this.isIncluded(root, size, _leaf(index), other, path), "another index");
        assertTrue(!this.isIncluded(root, size, _leaf(size), index, path), "another leaf");
        assertTrue(!this.isIncluded(bytes32(uint256(root) ^ 1), size, _leaf(index), index, path), "another root");
    }

    function testFuzz_RefusesPathsOfAnotherLength(uint8 sizeSeed, uint8 indexSeed) public view {
        uint256 size = 2 + (uint256(sizeSeed) % 70);
        uint256 index = uint256(indexSeed) % size;
        bytes32[] memory path = _path(index, 0, size);
        bytes32[] memory longer = new bytes32[](path.length + 1);
        bytes32[] memory shorter = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < path.length; ++i) {
            longer[i] = path[i];
            if (i + 1 < path.length) shorter[i] = path[i];
        }
        assertTrue(!this.isIncluded(_root(0, size), size, _leaf(index), index, longer), "longer");
        assertTrue(!this.isIncluded(_root(0, size), size, _leaf(index), index, shorter), "shorter");
    }

    function testFuzz_RefusesInnerNodesAsLeaves(uint8 sizeSeed, uint8 claimedSeed) public view {
        uint256 size = 2 + (uint256(sizeSeed) % 70);
        bytes32[] memory path = _path(0, 0, size);
        bytes32[] memory rest = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) rest[i] = path[i + 1];
        bytes32 inner = sha256(abi.encodePacked(bytes1(0x01), _leaf(0), path[0]));
        uint256 claimed = uint256(claimedSeed) % size;
        assertTrue(!this.isIncluded(_root(0, size), size, inner, claimed, rest), "inner node");
        assertTrue(!this.isIncluded(_root(0, size), size, inner, claimed, path), "inner node, full path");
    }

    /// @notice The library's other function with calldata.
    function isConsistent(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata path
    ) external pure returns (bool) {
        return Merkle.isConsistent(oldSize, oldRoot, newSize, newRoot, path);
    }

    function testFuzz_AcceptsEveryExtensionAndNoOther(uint8 newSeed, uint8 oldSeed, uint8 otherSeed) public view {
        uint256 size = 1 + (uint256(newSeed) % 70);
        uint256 old = 1 + (uint256(oldSeed) % size);
        uint256 other = 1 + (uint256(otherSeed) % size);
        (bytes32 oldRoot, bytes32 newRoot) = (_root(0, old), _root(0, size));
        bytes32[] memory path = old == size ? new bytes32[](0) : _extension(old, 0, size, true);
        assertTrue(this.isConsistent(old, oldRoot, size, newRoot, path), "its own proof");
        assertTrue(!this.isConsistent(old, oldRoot, size, _root(1, size + 1), path), "another tree");
        assertTrue(!this.isConsistent(old, _root(1, old + 1), size, newRoot, path), "another earlier tree");
        assertTrue(other == old || !this.isConsistent(other, oldRoot, size, newRoot, path), "another earlier size");
        assertTrue(other == old || !this.isConsistent(other, _root(0, other), size, newRoot, path), "another proof");
        if (path.length == 0) return;
        uint256 at = uint256(otherSeed) % path.length;
        path[at] ^= bytes32(uint256(1));
        assertTrue(!this.isConsistent(old, oldRoot, size, newRoot, path), "a hash changed");
    }

    function testFuzz_RefusesExtensionsOfAnotherLength(uint8 newSeed, uint8 oldSeed) public view {
        uint256 size = 2 + (uint256(newSeed) % 70);
        uint256 old = 1 + (uint256(oldSeed) % (size - 1));
        bytes32[] memory path = _extension(old, 0, size, true);
        bytes32[] memory longer = new bytes32[](path.length + 1);
        bytes32[] memory shorter = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < path.length; ++i) {
            longer[i] = path[i];
            if (i + 1 < path.length) shorter[i] = path[i];
        }
        assertTrue(!this.isConsistent(old, _root(0, old), size, _root(0, size), longer), "longer");
        assertTrue(!this.isConsistent(old, _root(0, old), size, _root(0, size), shorter), "shorter");
        assertTrue(!this.isConsistent(size, _root(0, size), old, _root(0, old), path), "backwards");
        assertTrue(!this.isConsistent(size, _root(0, size), size, _root(0, size), longer), "no extension");
    }

    function testFuzz_EverythingExtendsNothing(uint64 size, bytes32 root) public view {
        assertTrue(this.isConsistent(0, root, size, root, new bytes32[](0)), "from nothing");
        assertTrue(!this.isConsistent(0, root, size, root, new bytes32[](1)), "from nothing by a proof");
    }

    function test_RefusesEverythingInAnEmptyTree() public view {
        assertTrue(!this.isIncluded(sha256(""), 0, sha256(""), 0, new bytes32[](0)), "empty tree");
    }

    /// @dev RFC 9162 section 2.1.1: the hash of leaves from `start` to before `end`.
    function _root(uint256 start, uint256 end) private pure returns (bytes32) {
        if (end - start == 1) return _leaf(start);
        uint256 middle = start + _split(end - start);
        return sha256(abi.encodePacked(bytes1(0x01), _root(start, middle), _root(middle, end)));
    }

    /// @dev RFC 9162 section 2.1.3.1: the path of a leaf.
    function _path(uint256 index, uint256 start, uint256 end) private pure returns (bytes32[] memory path) {
        if (end - start == 1) return path;
        uint256 middle = start + _split(end - start);
        bytes32[] memory below = index < middle ? _path(index, start, middle) : _path(index, middle, end);
        path = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) path[i] = below[i];
        path[below.length] = index < middle ? _root(middle, end) : _root(start, middle);
    }

    /// @dev RFC 9162 section 2.1.4.1, SUBPROOF: what shows that the first `old` leaves from `start` on are a tree's own.
    function _extension(
        uint256 old,
        uint256 start,
        uint256 end,
        bool whole
    ) private pure returns (bytes32[] memory path) {
        if (old == end - start) {
            path = new bytes32[](whole ? 0 : 1);
            if (!whole) path[0] = _root(start, end);
            return path;
        }
        uint256 split = _split(end - start);
        bool left = old <= split;
        bytes32[] memory below = left
            ? _extension(old, start, start + split, whole)
            : _extension(old - split, start + split, end, false);
        path = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) path[i] = below[i];
        path[below.length] = left ? _root(start + split, end) : _root(start, start + split);
    }

    /// @dev The largest power of two below a size.
    function _split(uint256 size) private pure returns (uint256 power) {
        power = 1;
        while (power * 2 < size) power *= 2;
    }

    /// @dev The i-th leaf.
    function _leaf(uint256 i) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), i));
    }
}
