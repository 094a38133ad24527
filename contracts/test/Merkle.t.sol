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
