// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/**
 * @title The heads of append-only logs (RFC 9162 trees), each proved to extend the one before
 * @notice A log is named by keccak256 of its C2SP origin line. Whoever sends heads can stop a log, but can't make the
 * contract take a head that drops, changes or inserts an entry under an earlier one.
 */
interface ICheckpointLog {
    /**
     * @notice The newest head of a log.
     * @param root The tree's root hash.
     * @param size The tree's number of leaves; 0: the log has no head yet.
     * @param blockNumber The block that recorded it.
     * @param blockTime That block's time, unix seconds.
     */
    struct Head {
        bytes32 root;
        uint64 size;
        uint64 blockNumber;
        uint64 blockTime;
    }

    /**
     * @notice A log has a new head.
     * @param origin keccak256 of the log's origin line (UTF-8, without a line end).
     * @param size The tree's number of leaves.
     * @param root The tree's root hash.
     * @param previousSize The size of the head before; 0: there was none.
     * @param blockTime Block time, unix seconds.
     */
    event CheckpointAppended(
        bytes32 indexed origin,
        uint64 indexed size,
        bytes32 root,
        uint64 previousSize,
        uint64 blockTime
    );

    /// @notice A head without leaves says nothing.
    error CheckpointEmpty(bytes32 origin);

    /// @notice The head is of fewer leaves than the one recorded.
    error CheckpointSmaller(bytes32 origin, uint64 recordedSize, uint64 size);

    /// @notice The proof does not show that the tree extends the recorded one.
    error CheckpointInconsistent(bytes32 origin, uint64 recordedSize, bytes32 recordedRoot, uint64 size, bytes32 root);

    /**
     * @notice Records a log's new head. The head that is recorded already, sent again, has no effect. Only a
     * checkpointer.
     * @param origin keccak256 of the log's origin line.
     * @param size The tree's number of leaves, above 0.
     * @param root The tree's root hash.
     * @param proof The consistency proof from the recorded head (RFC 9162 section 2.1.4.1); empty where there is none
     * or where the head is sent again.
     */
    function append(bytes32 origin, uint64 size, bytes32 root, bytes32[] calldata proof) external;

    /// @notice The newest head of a log; all zero if there is none.
    function head(bytes32 origin) external view returns (Head memory);
}
