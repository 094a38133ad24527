// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {ICheckpointLog} from "./interfaces/ICheckpointLog.sol";
import {Merkle} from "./libraries/Merkle.sol";

/// @title The heads of append-only logs, each proved to extend the one before
contract CheckpointLog is ICheckpointLog, AccessControl {
    /// @notice May send heads; that they rewrite nothing is decided by their proofs alone.
    bytes32 public constant CHECKPOINTER_ROLE = keccak256("CHECKPOINTER_ROLE");

    mapping(bytes32 origin => Head) private _heads;

    /// @param admin Names checkpointers.
    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc ICheckpointLog
    function append(
        bytes32 origin,
        uint64 size,
        bytes32 root,
        bytes32[] calldata proof
    ) external onlyRole(CHECKPOINTER_ROLE) {
        Head storage recorded = _heads[origin];
        (uint64 recordedSize, bytes32 recordedRoot) = (recorded.size, recorded.root);
        if (size == 0) revert CheckpointEmpty(origin);
        if (size < recordedSize) revert CheckpointSmaller(origin, recordedSize, size);
        if (!Merkle.isConsistent(recordedSize, recordedRoot, size, root, proof)) {
            revert CheckpointInconsistent(origin, recordedSize, recordedRoot, size, root);
        }
        if (size == recordedSize) return;
        _heads[origin] = Head({
            root: root,
            size: size,
            blockNumber: uint64(block.number),
            blockTime: uint64(block.timestamp)
        });
        emit CheckpointAppended(origin, size, root, recordedSize, uint64(block.timestamp));
    }

    /// @inheritdoc ICheckpointLog
    function head(bytes32 origin) external view returns (Head memory) {
        return _heads[origin];
    }
}
