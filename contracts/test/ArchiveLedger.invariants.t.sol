// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IArchiveLedger} from "../interfaces/IArchiveLedger.sol";
import {LedgerHandler} from "./LedgerHandler.sol";
import {TestBase} from "./TestBase.sol";

contract ArchiveLedgerInvariants is TestBase {
    LedgerHandler internal handler;

    function setUp() public {
        handler = new LedgerHandler();
    }

    /// @notice What an invariant run may call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](7);
        selectors[0] = LedgerHandler.submit.selector;
        selectors[1] = LedgerHandler.submitBad.selector;
        selectors[2] = LedgerHandler.submitAgain.selector;
        selectors[3] = LedgerHandler.withdraw.selector;
        selectors[4] = LedgerHandler.decide.selector;
        selectors[5] = LedgerHandler.changeRoster.selector;
        selectors[6] = LedgerHandler.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @notice The contracts of an invariant run.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_NothingRecordedEverChanges() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            bytes32 id = handler.recorded(i);
            LedgerHandler.Memo memory memo = handler.memo(id);
            IArchiveLedger.Record memory record = handler.stored(id);
            assertTrue(record.documentsRoot == memo.statement.documentsRoot, "root changed");
            assertTrue(record.documentCount == memo.statement.documentCount, "count changed");
            assertTrue(record.sequence == memo.statement.sequence, "sequence changed");
            assertTrue(record.blockNumber == memo.blockNumber, "block number changed");
            assertTrue(record.blockTime == memo.blockTime, "block time changed");
            assertTrue(record.status == memo.status, "status changed but by the archive's one decision");
        }
    }

    function invariant_NoRecordWithoutTheRostersFive() public view {
        assertTrue(handler.intrusions() == 0, "a call succeeded that must not, or the other way round");
        for (uint256 i = 0; i < handler.count(); ++i) {
            LedgerHandler.Memo memory memo = handler.memo(handler.recorded(i));
            assertTrue(keccak256(abi.encode(memo.signers)) == memo.statement.rosterHash, "signers");
            assertTrue(handler.wasRoster(memo.statement.unitProjectKey, memo.signers), "roster");
        }
    }

    function invariant_SequenceAndPreviousFormOneChain() public view {
        uint256 linked = 0;
        for (uint256 which = 0; which < 2; ++which) {
            bytes32 id = handler.headOf(which);
            uint64 expected = handler.stored(id).sequence;
            while (id != 0) {
                LedgerHandler.Memo memory memo = handler.memo(id);
                assertTrue(memo.statement.unitProjectKey == handler.units(which), "unit project");
                assertTrue(memo.statement.sequence == expected, "sequence");
                id = memo.statement.previous;
                --expected;
                ++linked;
            }
            assertTrue(expected == 0, "the chain starts at 1");
        }
        assertTrue(linked == handler.count(), "every record is in its chain");
    }

    function invariant_AWithdrawnStatementIsNeverRecorded() public view {
        for (uint256 i = 0; i < handler.withdrawnCount(); ++i) {
            IArchiveLedger.Record memory record = handler.stored(handler.withdrawn(i));
            assertTrue(record.status == IArchiveLedger.Status.Withdrawn && record.documentCount == 0, "withdrawn");
        }
    }

    function test_TheHandlerReachesEverything() public {
        handler.submit(0);
        handler.submit(1);
        handler.submitAgain(0);
        handler.decide(0, true, 1, 1);
        handler.decide(1, false, 1, 1);
        handler.withdraw(0, 3);
        for (uint8 choice = 0; choice < 3; ++choice) {
            handler.changeRoster(0, choice);
            handler.submit(0);
            for (uint8 wrong = 0; wrong < 8; ++wrong) handler.submitBad(0, wrong, choice, 6);
        }
        assertTrue(handler.count() == 5 && handler.intrusions() == 0, "submissions");
        assertTrue(handler.accepted() == 1 && handler.returned() == 1, "decisions");
        invariant_NothingRecordedEverChanges();
        invariant_NoRecordWithoutTheRostersFive();
        invariant_SequenceAndPreviousFormOneChain();
        invariant_AWithdrawnStatementIsNeverRecorded();
    }
}
