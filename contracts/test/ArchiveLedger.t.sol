// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {IArchiveLedger} from "../interfaces/IArchiveLedger.sol";
import {ISealRegistry, Seal} from "../interfaces/ISealRegistry.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

contract ArchiveLedgerTest is LedgerFixture {
    IArchiveLedger.Submission internal statement;
    Seal[5] internal five;

    function setUp() public {
        _deploy();
        statement = _statement(unit, 1);
        _reseal();
    }

    function test_RecordsASubmission() public {
        bytes32 id = ledger.submit(statement, five);
        IArchiveLedger.Record memory record = ledger.submission(id);
        assertTrue(id == _id(statement) && ledger.head(unit) == id, "id");
        assertTrue(record.documentsRoot == statement.documentsRoot, "root");
        assertTrue(record.documentCount == statement.documentCount && record.sequence == 1, "numbers");
        assertTrue(record.blockTime == block.timestamp && record.blockNumber == block.number, "block");
        assertTrue(record.status == IArchiveLedger.Status.Anchored, "status");
    }

    function test_TakesARecordedOneAsASuccessWithoutEffect() public {
        bytes32 id = ledger.submit(statement, five);
        _accept(id, "A-1", 5);
        vm.warp(START + 10 days); // after sealBy too
        assertTrue(ledger.submit(statement, five) == id, "id");
        assertTrue(ledger.submission(id).status == IArchiveLedger.Status.Accepted, "status");
        assertTrue(ledger.submission(id).blockTime == START, "time");
    }

    function testFuzz_RefusesAnyOtherSealInAnyRole(uint8 role, uint8 holder, uint256 bit) public {
        role %= 5;
        holder %= 7;
        bytes memory payload = ledger.submissionPayload(statement);
        if (holder == role) {
            five[role].r ^= bytes32(uint256(1) << (bit % 256));
            vm.expectRevert(
                abi.encodeWithSelector(ISealRegistry.InvalidSeal.selector, role, certificates[role])
            );
        } else {
            five[role] = _seal(holder, payload);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IArchiveLedger.SealOrganisationMismatch.selector,
                    role,
                    organisations[role],
                    organisations[holder]
                )
            );
        }
        ledger.submit(statement, five);
    }

    function testFuzz_RefusesAStatementChangedAfterSealing(uint8 member, uint64 value) public {
        if (member % 4 == 0) statement.manifestSha256 ^= bytes32(uint256(value) | 1);
        if (member % 4 == 1) statement.documentCount ^= value | 1;
        if (member % 4 == 2) statement.bimRoot ^= bytes32(uint256(value) | 1);
        if (member % 4 == 3) statement.documentsRoot ^= bytes32(uint256(value) | 1);
        if (statement.documentCount == 0) {
            bytes32 id = _id(statement);
            vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.NoDocuments.selector, id));
        } else {
            vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidSeal.selector, 0, certificates[0]));
        }
        ledger.submit(statement, five);
    }

    function test_RefusesSealsOfAnotherChain() public {
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidSeal.selector, 0, certificates[0]));
        ledger.submit(statement, five);
    }

    function testFuzz_TakesTheNextSequenceOnly(uint64 sequence) public {
        statement.sequence = sequence;
        _reseal();
        if (sequence != 1) {
            vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.SequenceMismatch.selector, 1, sequence));
        }
        ledger.submit(statement, five);
    }

    function testFuzz_TakesTheLastAnchoredAsPreviousOnly(bytes32 previous) public {
        bytes32 head = ledger.submit(statement, five);
        statement = _statement(unit, 2);
        statement.previous = previous;
        _reseal();
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.PreviousMismatch.selector, head, previous));
        ledger.submit(statement, five);
    }

    function testFuzz_RecordsUpToSealByOnly(uint32 wait) public {
        wait %= 2 days;
        vm.warp(START + wait);
        if (wait > 1 days) {
            vm.expectRevert(
                abi.encodeWithSelector(IArchiveLedger.SealByPassed.selector, START + 1 days, START + wait)
            );
        }
        ledger.submit(statement, five);
    }

    function testFuzz_TakesDirectoryCidsOnly(bytes memory cid) public {
        statement.contentCid = cid;
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.MalformedCid.selector, cid));
        ledger.submit(statement, five);
    }

    function test_RefusesAnOldRoster() public {
        bytes18[5] memory next = _five();
        next[0] = organisations[6];
        projects.setRoster(unit, next, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IArchiveLedger.RosterMismatch.selector,
                keccak256(abi.encode(next)),
                statement.rosterHash
            )
        );
        ledger.submit(statement, five);
    }

    function test_RefusesAnotherBuildingAndUnknownUnitProjects() public {
        statement.buildingKey = "other";
        vm.expectRevert(
            abi.encodeWithSelector(IArchiveLedger.BuildingMismatch.selector, building, bytes32("other"))
        );
        ledger.submit(statement, five);
        statement.unitProjectKey = "none";
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.UnknownUnitProject.selector, bytes32("none")));
        ledger.submit(statement, five);
    }

    function test_DecidesOnce() public {
        bytes32 id = ledger.submit(statement, five);
        _return(id, 5);
        assertTrue(ledger.submission(id).status == IArchiveLedger.Status.Returned, "status");
        vm.expectRevert(
            abi.encodeWithSelector(
                IArchiveLedger.SubmissionAlreadyDecided.selector,
                id,
                IArchiveLedger.Status.Returned
            )
        );
        _accept(id, "A-1", 5);
    }

    function testFuzz_OnlyTheArchiveDecides(uint8 holder) public {
        holder %= 7;
        bytes32 id = ledger.submit(statement, five);
        if (holder != 5) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IArchiveLedger.NotTheArchive.selector,
                    ARCHIVE,
                    organisations[holder]
                )
            );
        }
        _accept(id, "A-1", holder);
    }

    function test_GivesAnAccessionNumberOnce() public {
        bytes32 first = ledger.submit(statement, five);
        _accept(first, "A-1", 5);
        statement = _statement(unit, 2);
        _reseal();
        bytes32 second = ledger.submit(statement, five);
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.AccessionNumberTaken.selector, "A-1", first));
        _accept(second, "A-1", 5);
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.MalformedAccessionNumber.selector, ""));
        _accept(second, "", 5);
        assertTrue(ledger.submissionByAccessionNumber("A-1") == first, "number");
    }

    function testFuzz_AWithdrawnOneIsNeverRecorded(uint8 role) public {
        role %= 5;
        _withdraw(statement, role, role);
        bytes32 id = _id(statement);
        assertTrue(ledger.submission(id).status == IArchiveLedger.Status.Withdrawn, "status");
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.SubmissionIsWithdrawn.selector, id));
        ledger.submit(statement, five);
        vm.expectRevert(abi.encodeWithSelector(IArchiveLedger.UnknownSubmission.selector, id));
        _accept(id, "A-1", 5);
        (bool included, ) = ledger.verifyDocument(id, 0, 0, new bytes32[](0));
        assertTrue(!included, "no documents");
    }

    function test_ARecordedOneCantBeWithdrawn() public {
        bytes32 id = ledger.submit(statement, five);
        vm.expectRevert(
            abi.encodeWithSelector(
                IArchiveLedger.SubmissionAlreadyRecorded.selector,
                id,
                IArchiveLedger.Status.Anchored
            )
        );
        _withdraw(statement, 0, 0);
    }

    function testFuzz_OnlyTheRoleItselfWithdraws(uint8 role, uint8 holder) public {
        role %= 5;
        holder %= 7;
        if (role != holder) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IArchiveLedger.SealOrganisationMismatch.selector,
                    role,
                    organisations[role],
                    organisations[holder]
                )
            );
        }
        _withdraw(statement, role, holder);
    }

    function testFuzz_OnlyRelayersSend(address sender) public {
        if (sender == address(this)) return;
        bytes32 role = ledger.RELAYER_ROLE();
        vm.prank(sender);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, sender, role)
        );
        ledger.submit(statement, five);
    }

    /// @dev Five seals over the statement as it is now.
    function _reseal() private {
        Seal[5] memory list = _sealAll(statement);
        for (uint256 i = 0; i < 5; ++i) five[i] = list[i];
    }
}
