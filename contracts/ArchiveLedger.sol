// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {StatementDomain} from "./StatementDomain.sol";
import {IArchiveLedger} from "./interfaces/IArchiveLedger.sol";
import {IProjectRegistry} from "./interfaces/IProjectRegistry.sol";
import {ISealRegistry, Seal} from "./interfaces/ISealRegistry.sol";
import {Cid} from "./libraries/Cid.sol";
import {Merkle} from "./libraries/Merkle.sol";
import {OrganisationCode} from "./libraries/OrganisationCode.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Submissions sealed by the five parties, and what the archive decided on them
contract ArchiveLedger is IArchiveLedger, AccessControl, StatementDomain {
    /// @notice May send submissions, decisions and withdrawals; what they say is decided by their seals alone.
    bytes32 public constant RELAYER_ROLE = keccak256("RELAYER_ROLE");

    /// @inheritdoc IArchiveLedger
    ISealRegistry public immutable sealRegistry;

    /// @inheritdoc IArchiveLedger
    IProjectRegistry public immutable projectRegistry;

    /// @inheritdoc IArchiveLedger
    bytes18 public immutable archiveOrganisation;

    /// @inheritdoc IArchiveLedger
    mapping(bytes32 unitProjectKey => bytes32 submissionId) public head;

    mapping(bytes32 submissionId => Record) private _records;
    mapping(bytes32 accessionNumberHash => bytes32 submissionId) private _byAccessionNumber;

    /**
     * @param admin Names relayers.
     * @param sealRegistry_ The registry of seal certificates.
     * @param projectRegistry_ The registry of buildings, unit projects and rosters.
     * @param archiveOrganisation_ The archive's own organisation.
     */
    constructor(
        address admin,
        ISealRegistry sealRegistry_,
        IProjectRegistry projectRegistry_,
        bytes18 archiveOrganisation_
    ) {
        OrganisationCode.requireWellFormed(archiveOrganisation_);
        sealRegistry = sealRegistry_;
        projectRegistry = projectRegistry_;
        archiveOrganisation = archiveOrganisation_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IArchiveLedger
    function submit(
        Submission calldata statement,
        Seal[5] calldata seals
    ) external onlyRole(RELAYER_ROLE) returns (bytes32 submissionId) {
        bytes memory payload = _payload(Statements.hashSubmission(statement));
        submissionId = keccak256(payload);
        Record storage record = _records[submissionId];
        Status status = record.status;
        if (status == Status.Withdrawn) revert SubmissionIsWithdrawn(submissionId);
        if (status != Status.None) return submissionId;

        if (block.timestamp > statement.sealBy) revert SealByPassed(statement.sealBy, uint64(block.timestamp));
        if (statement.documentCount == 0) revert NoDocuments(submissionId);
        if (!Cid.isDirectory(statement.contentCid)) revert MalformedCid(statement.contentCid);
        _requireNext(statement);
        _requireCurrentRoster(statement);
        _requireSealsOfRoster(statement, payload, seals);

        head[statement.unitProjectKey] = submissionId;
        _write(record, statement.documentsRoot, statement.documentCount, statement.sequence, Status.Anchored);
        emit SubmissionAnchored(
            submissionId,
            statement.buildingKey,
            statement.unitProjectKey,
            keccak256(abi.encode(seals)),
            statement,
            seals
        );
    }

    /// @inheritdoc IArchiveLedger
    function accept(
        bytes32 submissionId,
        string calldata accessionNumber,
        bytes calldata receiptCid,
        Seal calldata seal
    ) external onlyRole(RELAYER_ROLE) {
        Record storage record = _undecided(submissionId);
        uint256 length = bytes(accessionNumber).length;
        if (length == 0 || length > 64) revert MalformedAccessionNumber(accessionNumber);
        bytes32 numberHash = keccak256(bytes(accessionNumber));
        bytes32 holder = _byAccessionNumber[numberHash];
        if (holder != 0) revert AccessionNumberTaken(accessionNumber, holder);
        if (!Cid.isFile(receiptCid)) revert MalformedCid(receiptCid);
        _requireSealOfArchive(Statements.hashAcceptance(submissionId, accessionNumber), seal);

        record.status = Status.Accepted;
        _byAccessionNumber[numberHash] = submissionId;
        emit SubmissionAccepted(submissionId, accessionNumber, receiptCid, seal);
    }

    /// @inheritdoc IArchiveLedger
    function returnToParties(
        bytes32 submissionId,
        bytes32 reasonsSha256,
        bytes calldata reasonsCid,
        Seal calldata seal
    ) external onlyRole(RELAYER_ROLE) {
        Record storage record = _undecided(submissionId);
        if (!Cid.isFile(reasonsCid)) revert MalformedCid(reasonsCid);
        _requireSealOfArchive(Statements.hashReturn(submissionId, reasonsSha256), seal);

        record.status = Status.Returned;
        emit SubmissionReturned(submissionId, reasonsSha256, reasonsCid, seal);
    }

    /// @inheritdoc IArchiveLedger
    function withdraw(
        Submission calldata statement,
        bytes32 reasonSha256,
        uint8 role,
        bytes18[5] calldata organisations,
        Seal calldata seal
    ) external onlyRole(RELAYER_ROLE) returns (bytes32 submissionId) {
        submissionId = keccak256(_payload(Statements.hashSubmission(statement)));
        Record storage record = _records[submissionId];
        if (record.status == Status.Withdrawn) revert SubmissionIsWithdrawn(submissionId);
        if (record.status != Status.None) revert SubmissionAlreadyRecorded(submissionId, record.status);
        if (role > 4) revert InvalidRole(role);
        // The statement names the roster by its hash, so only the statement's own five get past this.
        bytes32 rosterHash = OrganisationCode.rosterHash(organisations);
        if (rosterHash != statement.rosterHash) revert RosterMismatch(statement.rosterHash, rosterHash);
        bytes18 signer = _checkSeal(Statements.hashWithdrawal(submissionId, reasonSha256), seal);
        if (signer != organisations[role]) revert SealOrganisationMismatch(role, organisations[role], signer);

        _write(record, 0, 0, 0, Status.Withdrawn);
        emit SubmissionWithdrawn(
            submissionId,
            statement.buildingKey,
            statement.unitProjectKey,
            reasonSha256,
            role,
            seal
        );
    }

    /// @inheritdoc IArchiveLedger
    function verifyDocument(
        bytes32 submissionId,
        bytes32 entryHash,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (bool included, Status status) {
        Record storage record = _records[submissionId];
        status = record.status;
        // Nothing and a withdrawal have no documents, so nothing is included in them.
        included = Merkle.isIncluded(record.documentsRoot, record.documentCount, entryHash, index, proof);
    }

    /// @inheritdoc IArchiveLedger
    function submission(bytes32 submissionId) external view returns (Record memory) {
        return _records[submissionId];
    }

    /// @inheritdoc IArchiveLedger
    function submissionByAccessionNumber(string calldata accessionNumber) external view returns (bytes32) {
        return _byAccessionNumber[keccak256(bytes(accessionNumber))];
    }

    /// @inheritdoc IArchiveLedger
    function submissionPayload(Submission calldata statement) external view returns (bytes memory) {
        return _payload(Statements.hashSubmission(statement));
    }

    /// @dev Writes a record's two slots.
    function _write(
        Record storage record,
        bytes32 documentsRoot,
        uint64 documentCount,
        uint64 sequence,
        Status status
    ) private {
        record.documentsRoot = documentsRoot;
        record.documentCount = documentCount;
        record.sequence = sequence;
        record.blockNumber = uint40(block.number);
        record.blockTime = uint40(block.timestamp);
        record.status = status;
    }

    /// @dev Sequence and previous must continue the unit project's chain.
    function _requireNext(Submission calldata statement) private view {
        bytes32 previous = head[statement.unitProjectKey];
        if (statement.previous != previous) revert PreviousMismatch(previous, statement.previous);
        uint64 sequence = previous == 0 ? 1 : _records[previous].sequence + 1;
        if (statement.sequence != sequence) revert SequenceMismatch(sequence, statement.sequence);
    }

    /// @dev The unit project must be the building's, and the roster its current one.
    function _requireCurrentRoster(Submission calldata statement) private view {
        (bytes32 buildingKey, bytes32 rosterHash) = projectRegistry.buildingAndRoster(statement.unitProjectKey);
        if (rosterHash == 0) revert UnknownUnitProject(statement.unitProjectKey);
        if (statement.buildingKey != buildingKey) revert BuildingMismatch(buildingKey, statement.buildingKey);
        if (statement.rosterHash != rosterHash) revert RosterMismatch(rosterHash, statement.rosterHash);
    }

    /// @dev Five seals that count, of the organisations behind the roster hash, in role order.
    function _requireSealsOfRoster(
        Submission calldata statement,
        bytes memory payload,
        Seal[5] calldata seals
    ) private view {
        Seal[] memory list = new Seal[](5);
        for (uint256 i = 0; i < 5; ++i) list[i] = seals[i];
        bytes18[] memory signers = sealRegistry.checkSeals(payload, list);
        bytes18[5] memory organisations = [signers[0], signers[1], signers[2], signers[3], signers[4]];
        if (OrganisationCode.rosterHash(organisations) != statement.rosterHash) {
            _revertOnOrganisation(statement.unitProjectKey, organisations);
        }
    }

    /// @dev Names the first role whose seal is another organisation's.
    function _revertOnOrganisation(bytes32 unitProjectKey, bytes18[5] memory signers) private view {
        uint64 version = projectRegistry.unitProject(unitProjectKey).rosterVersion;
        bytes18[5] memory expected = projectRegistry.roster(unitProjectKey, version).organisations;
        uint256 role = 0;
        while (role < 4 && expected[role] == signers[role]) ++role;
        revert SealOrganisationMismatch(role, expected[role], signers[role]);
    }

    /// @dev A seal that counts, over a statement; returns whose it is.
    function _checkSeal(bytes32 structHash, Seal calldata seal) private view returns (bytes18) {
        Seal[] memory list = new Seal[](1);
        list[0] = seal;
        return sealRegistry.checkSeals(_payload(structHash), list)[0];
    }

    /// @dev A seal that counts and is the archive's.
    function _requireSealOfArchive(bytes32 structHash, Seal calldata seal) private view {
        bytes18 signer = _checkSeal(structHash, seal);
        if (signer != archiveOrganisation) revert NotTheArchive(archiveOrganisation, signer);
    }

    /// @dev The record of an anchored submission that still waits for its decision.
    function _undecided(bytes32 submissionId) private view returns (Record storage record) {
        record = _records[submissionId];
        Status status = record.status;
        if (status == Status.None || status == Status.Withdrawn) revert UnknownSubmission(submissionId);
        if (status != Status.Anchored) revert SubmissionAlreadyDecided(submissionId, status);
    }
}
