// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IProjectRegistry} from "./IProjectRegistry.sol";
import {ISealRegistry, Seal} from "./ISealRegistry.sol";

/**
 * @title Submissions sealed by the five parties, and what the archive decided on them
 * @notice Every act is an EIP-712 statement (domain "Yunshang ArchiveLedger", version "1"), sealed over the 66 bytes
 * 0x1901 ‖ domain separator ‖ struct hash. A submission's id is keccak256 of that payload. Whoever sends a transaction,
 * only the seals decide; senders are allow-listed as well (RELAYER_ROLE). Role indices: 0 owner, 1 surveyor, 2 designer,
 * 3 contractor, 4 supervisor.
 */
interface IArchiveLedger {
    /// @notice What became of a submission. Anchored, Accepted and Returned ones are recorded.
    enum Status {
        None,
        Anchored,
        Accepted,
        Returned,
        Withdrawn
    }

    /**
     * @notice The statement that the five parties seal.
     * @param buildingKey The building (formats section 5).
     * @param unitProjectKey The unit project.
     * @param rosterHash keccak256(abi.encode(bytes32[5])) of the five organisations in role order.
     * @param sequence Counted from 1 for each unit project.
     * @param previous The last anchored submission of the unit project, or zero.
     * @param manifestSha256 SHA-256 of the manifest.
     * @param documentsRoot RFC 9162 root over the document entries.
     * @param documentCount Their number, not 0.
     * @param bimRoot RFC 9162 root over the model entries.
     * @param contentCid Binary CIDv1 (dag-pb, SHA-256, 36 bytes) of the content's directory.
     * @param sealBy Last second at which it may be recorded, unix seconds.
     */
    struct Submission {
        bytes32 buildingKey;
        bytes32 unitProjectKey;
        bytes32 rosterHash;
        uint64 sequence;
        bytes32 previous;
        bytes32 manifestSha256;
        bytes32 documentsRoot;
        uint64 documentCount;
        bytes32 bimRoot;
        bytes contentCid;
        uint64 sealBy;
    }

    /**
     * @notice What is stored of a submission: two slots. The rest is in its id and its event.
     * @param documentsRoot RFC 9162 root over the document entries; zero for a withdrawn one.
     * @param documentCount Their number.
     * @param sequence Its place in the unit project's chain, from 1; 0 for a withdrawn one.
     * @param blockNumber The block that recorded (or withdrew) it.
     * @param blockTime That block's time, unix seconds.
     * @param status What became of it; the only member that changes, once, from Anchored to Accepted or Returned.
     */
    struct Record {
        bytes32 documentsRoot;
        uint64 documentCount;
        uint64 sequence;
        uint40 blockNumber;
        uint40 blockTime;
        Status status;
    }

    /**
     * @notice A submission was recorded. Statement and seals rebuild the sealed payload and all five CMS files.
     * @param submissionId keccak256 of the sealed payload.
     * @param buildingKey The statement's building.
     * @param unitProjectKey The statement's unit project.
     * @param sealsHash keccak256(abi.encode(Seal[5])).
     * @param statement What was sealed.
     * @param seals The five seals in role order.
     */
    event SubmissionAnchored(
        bytes32 indexed submissionId,
        bytes32 indexed buildingKey,
        bytes32 indexed unitProjectKey,
        bytes32 sealsHash,
        Submission statement,
        Seal[5] seals
    );

    /// @notice The archive accepted a submission.
    /// @param submissionId The submission.
    /// @param accessionNumber The archive's number for it.
    /// @param receiptCid Binary CIDv1 of the receipt.
    /// @param seal The archive's seal.
    event SubmissionAccepted(bytes32 indexed submissionId, string accessionNumber, bytes receiptCid, Seal seal);

    /// @notice The archive returned a submission.
    /// @param submissionId The submission.
    /// @param reasonsSha256 SHA-256 of the reasons' canonical JSON.
    /// @param reasonsCid Binary CIDv1 of the reasons.
    /// @param seal The archive's seal.
    event SubmissionReturned(bytes32 indexed submissionId, bytes32 reasonsSha256, bytes reasonsCid, Seal seal);

    /**
     * @notice One of the five withdrew a submission before it was recorded; it can't be submitted any more.
     * @param submissionId The submission.
     * @param buildingKey The statement's building.
     * @param unitProjectKey The statement's unit project.
     * @param reasonSha256 SHA-256 of the reason's canonical JSON.
     * @param role The role that withdrew, 0 to 4.
     * @param seal That role's seal.
     */
    event SubmissionWithdrawn(
        bytes32 indexed submissionId,
        bytes32 indexed buildingKey,
        bytes32 indexed unitProjectKey,
        bytes32 reasonSha256,
        uint8 role,
        Seal seal
    );

    /// @notice The statement's last second has passed.
    error SealByPassed(uint64 sealBy, uint64 blockTime);

    /// @notice The statement names no document.
    error NoDocuments(bytes32 submissionId);

    /// @notice Not a 36-byte CIDv1 with a SHA-256 digest and a codec that is taken here.
    error MalformedCid(bytes cid);

    /// @notice The unit project is not registered or has no roster.
    error UnknownUnitProject(bytes32 unitProjectKey);

    /// @notice The unit project belongs to another building.
    error BuildingMismatch(bytes32 expected, bytes32 actual);

    /// @notice The roster is not the unit project's current one (submit) or not the statement's (withdraw).
    error RosterMismatch(bytes32 expected, bytes32 actual);

    /// @notice The sequence number is not the next one.
    error SequenceMismatch(uint64 expected, uint64 actual);

    /// @notice The previous submission is not the last anchored one.
    error PreviousMismatch(bytes32 expected, bytes32 actual);

    /// @notice The seal's certificate is not of the organisation that holds the role.
    error SealOrganisationMismatch(uint256 role, bytes18 expected, bytes18 actual);

    /// @notice The decision's seal is not the archive's.
    error NotTheArchive(bytes18 expected, bytes18 actual);

    /// @notice The submission has been withdrawn.
    error SubmissionIsWithdrawn(bytes32 submissionId);

    /// @notice No such submission is recorded.
    error UnknownSubmission(bytes32 submissionId);

    /// @notice The submission is recorded and can't be withdrawn any more.
    error SubmissionAlreadyRecorded(bytes32 submissionId, Status status);

    /// @notice The submission has its final decision.
    error SubmissionAlreadyDecided(bytes32 submissionId, Status status);

    /// @notice The accession number is empty or longer than 64 bytes.
    error MalformedAccessionNumber(string accessionNumber);

    /// @notice The accession number is another submission's.
    error AccessionNumberTaken(string accessionNumber, bytes32 submissionId);

    /// @notice There are five roles, 0 to 4.
    error InvalidRole(uint8 role);

    /**
     * @notice Records a submission with its five seals; one that is recorded already is a success without effect.
     * @dev A seal says who sealed which statement, and the roster within the statement says in which roles. So an
     * organisation that holds two roles by a declared joint appointment may give the same seal for both; anyone else's
     * second use of a seal fails by its organisation.
     * @param statement The statement sealed.
     * @param seals The five seals in role order.
     * @return submissionId keccak256 of the sealed payload.
     */
    function submit(Submission calldata statement, Seal[5] calldata seals) external returns (bytes32 submissionId);

    /**
     * @notice Records the archive's acceptance.
     * @param submissionId The submission.
     * @param accessionNumber The archive's number, unique, 1 to 64 bytes of UTF-8.
     * @param receiptCid Binary CIDv1 (raw or dag-pb, SHA-256) of the receipt; emitted only, not sealed.
     * @param seal The archive's seal over Acceptance(submissionId, accessionNumber).
     */
    function accept(
        bytes32 submissionId,
        string calldata accessionNumber,
        bytes calldata receiptCid,
        Seal calldata seal
    ) external;

    /**
     * @notice Records that the archive returned a submission.
     * @param submissionId The submission.
     * @param reasonsSha256 SHA-256 of the reasons' canonical JSON.
     * @param reasonsCid Binary CIDv1 (raw or dag-pb, SHA-256) of the reasons; emitted only, not sealed.
     * @param seal The archive's seal over Return(submissionId, reasonsSha256).
     */
    function returnToParties(
        bytes32 submissionId,
        bytes32 reasonsSha256,
        bytes calldata reasonsCid,
        Seal calldata seal
    ) external;

    /**
     * @notice Withdraws a statement before it is recorded, by any of its five organisations.
     * @param statement The statement withdrawn.
     * @param reasonSha256 SHA-256 of the reason's canonical JSON.
     * @param role The role that withdraws, 0 to 4.
     * @param organisations The five organisations behind the statement's rosterHash.
     * @param seal That role's seal over Withdrawal(submissionId, reasonSha256).
     * @return submissionId The id that can't be submitted any more.
     */
    function withdraw(
        Submission calldata statement,
        bytes32 reasonSha256,
        uint8 role,
        bytes18[5] calldata organisations,
        Seal calldata seal
    ) external returns (bytes32 submissionId);

    /**
     * @notice Whether a document belongs to a submission, and what became of the submission.
     * @dev The leaf hash proves nothing by itself: whoever asks hashes the entry, 0x00 prefix included.
     * @param submissionId The submission.
     * @param entryHash The leaf hash, SHA-256(0x00 ‖ canonical entry).
     * @param index The leaf's index.
     * @param proof The RFC 9162 inclusion path; its length follows from index and count, no other is accepted.
     * @return included True if the entry is in a recorded submission.
     * @return status The submission's status.
     */
    function verifyDocument(
        bytes32 submissionId,
        bytes32 entryHash,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (bool included, Status status);

    /// @notice What is stored of a submission; all zero if nothing is.
    function submission(bytes32 submissionId) external view returns (Record memory);

    /// @notice The last anchored submission of a unit project, or zero.
    function head(bytes32 unitProjectKey) external view returns (bytes32 submissionId);

    /// @notice The submission an accession number was given to, or zero.
    function submissionByAccessionNumber(string calldata accessionNumber) external view returns (bytes32);

    /// @notice The 66 bytes sealed for a submission.
    function submissionPayload(Submission calldata statement) external view returns (bytes memory);

    /// @notice The registry of seal certificates.
    function sealRegistry() external view returns (ISealRegistry);

    /// @notice The registry of buildings, unit projects and rosters.
    function projectRegistry() external view returns (IProjectRegistry);

    /// @notice The archive's own organisation, the only one whose seals decide.
    function archiveOrganisation() external view returns (bytes18);
}
