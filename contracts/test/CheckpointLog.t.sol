// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {CheckpointLog} from "../CheckpointLog.sol";
import {ICheckpointLog} from "../interfaces/ICheckpointLog.sol";
import {TestBase} from "./TestBase.sol";

/// @title A log that grows, and somebody who tries everything with its heads
contract CheckpointHandler is TestBase {
    CheckpointLog public immutable log;
    bytes32 public constant ORIGIN = keccak256("origin");

    /// @notice How often a head was taken that must not be, or refused though it is right.
    uint256 public intrusions;
    /// @notice How many heads were taken.
    uint256 public taken;
    /// @notice The size of the log as last anchored.
    uint64 public anchored;

    bytes32[] private _leaves;

    constructor() {
        log = new CheckpointLog(address(this));
        log.grantRole(log.CHECKPOINTER_ROLE(), address(this));
    }

    /// @notice Entries are added and the head is sent.
    function grow(uint8 count) external {
        for (uint256 i = 0; i < count % 9; ++i) _leaves.push(sha256(abi.encodePacked(bytes1(0), _leaves.length)));
        if (_leaves.length == 0) return;
        _send(uint64(_leaves.length), root(0, _leaves.length), _proof(anchored, _leaves.length), true);
    }

    /// @notice A head of a log in which an anchored entry was changed, with the best proof there is.
    function rewrite(uint256 which, uint8 added) external {
        if (anchored == 0) return;
        uint256 place = which % anchored;
        bytes32 kept = _leaves[place];
        _leaves[place] ^= bytes32(uint256(1));
        for (uint256 i = 0; i < added % 5; ++i) _leaves.push(keccak256(abi.encode(which, i)));
        _send(uint64(_leaves.length), root(0, _leaves.length), _proof(anchored, _leaves.length), false);
        for (uint256 i = 0; i < added % 5; ++i) _leaves.pop();
        _leaves[place] = kept;
    }

    /// @notice A head with fewer entries.
    function shrink(uint256 by) external {
        if (anchored < 2) return;
        uint256 size = 1 + (by % (anchored - 1));
        _send(uint64(size), root(0, size), _proof(size, anchored), false);
    }

    /// @notice Anything.
    function guess(uint8 size, bytes32 root_, bytes32[] calldata proof) external {
        if (anchored == 0) return;
        bool same = size == anchored && root_ == root(0, anchored) && proof.length == 0;
        _send(size, root_, proof, same);
    }

    /// @notice The root of the leaves from `start` to before `end`.
    function root(uint256 start, uint256 end) public view returns (bytes32) {
        if (end - start == 1) return _leaves[start];
        uint256 middle = start + _split(end - start);
        return sha256(abi.encodePacked(bytes1(0x01), root(start, middle), root(middle, end)));
    }

    /// @dev Sends a head and compares what became of it.
    function _send(uint64 size, bytes32 root_, bytes32[] memory proof, bool right) private {
        try log.append(ORIGIN, size, root_, proof) {
            if (!right) ++intrusions;
            if (size != anchored) ++taken;
            anchored = size;
        } catch {
            if (right) ++intrusions;
        }
    }

    /// @dev The consistency proof between two sizes.
    function _proof(uint256 old, uint256 size) private view returns (bytes32[] memory) {
        if (old == 0 || old == size) return new bytes32[](0);
        return _extension(old, 0, size, true);
    }

    /// @dev RFC 9162 section 2.1.4.1, SUBPROOF.
    function _extension(
        uint256 old,
        uint256 start,
        uint256 end,
        bool whole
    ) private view returns (bytes32[] memory path) {
        if (old == end - start) {
            path = new bytes32[](whole ? 0 : 1);
            if (!whole) path[0] = root(start, end);
            return path;
        }
        uint256 split = _split(end - start);
        bool left = old <= split;
        bytes32[] memory below = left
            ? _extension(old, start, start + split, whole)
            : _extension(old - split, start + split, end, false);
        path = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) path[i] = below[i];
        path[below.length] = left ? root(start + split, end) : root(start, start + split);
    }

    /// @dev The largest power of two below a size.
    function _split(uint256 size) private pure returns (uint256 power) {
        power = 1;
        while (power * 2 < size) power *= 2;
    }
}

contract CheckpointLogTest is TestBase {
    CheckpointHandler internal handler;

    function setUp() public {
        handler = new CheckpointHandler();
    }

    /// @notice What an invariant run may call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = CheckpointHandler.grow.selector;
        selectors[1] = CheckpointHandler.rewrite.selector;
        selectors[2] = CheckpointHandler.shrink.selector;
        selectors[3] = CheckpointHandler.guess.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @notice The contracts of an invariant run.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_OnlyExtensionsAreTaken() public view {
        assertTrue(handler.intrusions() == 0, "a head was taken that must not be, or the other way round");
        ICheckpointLog.Head memory head = handler.log().head(handler.ORIGIN());
        assertTrue(head.size == handler.anchored(), "size");
        if (head.size != 0) assertTrue(head.root == handler.root(0, head.size), "root");
    }

    function test_TheHandlerReachesEverything() public {
        for (uint8 i = 1; i < 9; ++i) {
            handler.grow(i);
            handler.rewrite(i, i);
            handler.shrink(i);
        }
        assertTrue(handler.taken() == 8 && handler.anchored() == 36 && handler.intrusions() == 0, "eight heads");
    }

    function testFuzz_OnlyCheckpointersSend(address sender) public {
        CheckpointLog log = handler.log();
        if (sender == address(handler)) return;
        bytes32 role = log.CHECKPOINTER_ROLE();
        vm.prank(sender);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, sender, role)
        );
        log.append("origin", 1, "root", new bytes32[](0));
    }
}
