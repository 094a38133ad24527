// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IArchiveLedger} from "../interfaces/IArchiveLedger.sol";

/// @title EIP-712 struct hashes of the statements (formats section 6)
library Statements {
    /// @notice Type hash of a submission.
    bytes32 internal constant SUBMISSION =
        keccak256(
            "Submission(bytes32 buildingKey,bytes32 unitProjectKey,bytes32 rosterHash,uint64 sequence,bytes32 previous,"
            "bytes32 manifestSha256,bytes32 documentsRoot,uint64 documentCount,bytes32 bimRoot,bytes contentCid,"
            "uint64 sealBy)"
        );

    /// @notice Type hash of the archive's acceptance.
    bytes32 internal constant ACCEPTANCE = keccak256("Acceptance(bytes32 submissionId,string accessionNumber)");

    /// @notice Type hash of the archive's return.
    bytes32 internal constant RETURN = keccak256("Return(bytes32 submissionId,bytes32 reasonsSha256)");

    /// @notice Type hash of a party's withdrawal.
    bytes32 internal constant WITHDRAWAL = keccak256("Withdrawal(bytes32 submissionId,bytes32 reasonSha256)");

    /// @notice The struct hash of a submission.
    function hashSubmission(IArchiveLedger.Submission calldata statement) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    SUBMISSION,
                    statement.buildingKey,
                    statement.unitProjectKey,
                    statement.rosterHash,
                    statement.sequence,
                    statement.previous,
                    statement.manifestSha256,
                    statement.documentsRoot,
                    statement.documentCount,
                    statement.bimRoot,
                    keccak256(statement.contentCid),
                    statement.sealBy
                )
            );
    }

    /// @notice The struct hash of the archive's acceptance.
    function hashAcceptance(bytes32 submissionId, string calldata accessionNumber) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPTANCE, submissionId, keccak256(bytes(accessionNumber))));
    }

    /// @notice The struct hash of the archive's return.
    function hashReturn(bytes32 submissionId, bytes32 reasonsSha256) internal pure returns (bytes32) {
        return keccak256(abi.encode(RETURN, submissionId, reasonsSha256));
    }

    /// @notice The struct hash of a party's withdrawal.
    function hashWithdrawal(bytes32 submissionId, bytes32 reasonSha256) internal pure returns (bytes32) {
        return keccak256(abi.encode(WITHDRAWAL, submissionId, reasonSha256));
    }
}
