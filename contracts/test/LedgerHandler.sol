// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IArchiveLedger} from "../interfaces/IArchiveLedger.sol";
import {Seal} from "../interfaces/ISealRegistry.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @title Does anything to the ledger that anyone could, and remembers what was recorded
contract LedgerHandler is LedgerFixture {
    /// @notice What the handler remembers of a recorded submission.
    struct Memo {
        IArchiveLedger.Submission statement;
        bytes18[5] signers;
        uint40 blockNumber;
        uint40 blockTime;
        IArchiveLedger.Status status;
    }

    bytes32[2] public units;
    bytes32[] public recorded;
    bytes32[] public withdrawn;
    /// @notice How often a call succeeded that must not.
    uint256 public intrusions;
    uint256 public accepted;
    uint256 public returned;

    mapping(bytes32 id => Memo) private _memos;
    uint256 private _salt;

    constructor() {
        _deploy();
        units = [unit, _registerUnit("02")];
    }

    /// @notice A good submission.
    function submit(uint256 which) external {
        _submit(_statement(units[which % 2], ++_salt), 0, 0);
    }

    /// @notice A submission with one thing wrong; it must be refused.
    function submitBad(uint256 which, uint8 wrong, uint8 role, uint8 holder) external {
        IArchiveLedger.Submission memory statement = _statement(units[which % 2], ++_salt);
        wrong = 1 + (wrong % 8);
        if (wrong == 1) ++statement.sequence;
        if (wrong == 2) statement.previous ^= bytes32(uint256(1));
        if (wrong == 3) statement.documentCount = 0;
        if (wrong == 4) statement.sealBy = uint64(block.timestamp) - 1;
        if (wrong == 5) statement.unitProjectKey = keccak256("none");
        _submit(statement, wrong, 8 * uint256(role % 5) + (holder % 7));
    }

    /// @notice A recorded submission once more.
    function submitAgain(uint256 which) external {
        if (recorded.length == 0) return;
        bytes32 id = recorded[which % recorded.length];
        Seal[5] memory none;
        if (ledger.submit(_memos[id].statement, none) != id) ++intrusions;
    }

    /// @notice A withdrawal, and the attempt to record it all the same.
    function withdraw(uint256 which, uint8 role) external {
        IArchiveLedger.Submission memory statement = _statement(units[which % 2], ++_salt);
        bytes18[5] memory roster = _roster(statement.unitProjectKey);
        Seal[5] memory five = _sealAs(roster, ledger.submissionPayload(statement));
        _withdraw(statement, roster, role % 5, _holderOf(roster[role % 5]));
        withdrawn.push(_id(statement));
        try ledger.submit(statement, five) {
            ++intrusions;
        } catch {}
    }

    /// @notice A decision by the archive or someone else, with a number that may be taken.
    function decide(uint256 which, bool accepts, uint8 holder, uint8 number) external {
        if (recorded.length == 0) return;
        bytes32 id = recorded[which % recorded.length];
        uint256 signer = holder % 4 == 0 ? holder % 7 : 5;
        try this.decideUnguarded(id, accepts, signer, number) {
            if (signer != 5 || _memos[id].status != IArchiveLedger.Status.Anchored) {
                ++intrusions;
                return;
            }
            _memos[id].status = accepts ? IArchiveLedger.Status.Accepted : IArchiveLedger.Status.Returned;
            accepts ? ++accepted : ++returned;
        } catch {}
    }

    /// @notice The decision itself; reverts as the ledger does.
    function decideUnguarded(bytes32 id, bool accepts, uint256 signer, uint8 number) external {
        require(msg.sender == address(this), "internal");
        if (accepts) _accept(id, string(abi.encodePacked(number)), signer);
        else _return(id, signer);
    }

    /// @notice A new roster: the supervisor changes, or the designer surveys as well.
    function changeRoster(uint256 which, uint8 choice) external {
        bytes18[5] memory five = _five();
        uint8 joint = 0;
        if (choice % 3 == 1) five[4] = organisations[6];
        if (choice % 3 == 2) (five[1], joint) = (organisations[2], 1);
        try projects.setRoster(units[which % 2], five, joint) {} catch {}
    }

    /// @notice Time passes.
    function pass(uint16 time) external {
        vm.warp(block.timestamp + time);
    }

    /// @notice How many are recorded.
    function count() external view returns (uint256) {
        return recorded.length;
    }

    /// @notice How many are withdrawn.
    function withdrawnCount() external view returns (uint256) {
        return withdrawn.length;
    }

    /// @notice What is remembered of a recorded submission.
    function memo(bytes32 id) external view returns (Memo memory) {
        return _memos[id];
    }

    /// @notice What the ledger has stored.
    function stored(bytes32 id) external view returns (IArchiveLedger.Record memory) {
        return ledger.submission(id);
    }

    /// @notice The last recorded submission of a unit project.
    function headOf(uint256 which) external view returns (bytes32) {
        return ledger.head(units[which]);
    }

    /// @notice Whether the five organisations were ever the unit project's roster.
    function wasRoster(bytes32 unit_, bytes18[5] calldata five) external view returns (bool) {
        uint64 last = projects.unitProject(unit_).rosterVersion;
        for (uint64 version = 1; version <= last; ++version) {
            if (keccak256(abi.encode(projects.roster(unit_, version).organisations)) == keccak256(abi.encode(five))) {
                return true;
            }
        }
        return false;
    }

    /// @dev Submits; `wrong` from 6 on spoils the seals, `choice` says which and how.
    function _submit(IArchiveLedger.Submission memory statement, uint256 wrong, uint256 choice) private {
        bytes18[5] memory roster = _roster(_known(statement.unitProjectKey));
        bytes memory payload = ledger.submissionPayload(statement);
        Seal[5] memory five = _sealAs(roster, payload);
        uint256 role = choice / 8;
        uint256 holder = choice % 8;
        if (wrong == 6 && organisations[holder] == roster[role]) wrong = 7;
        if (wrong == 6) five[role] = _seal(holder, payload);
        if (wrong == 7) five[role] = _seal(_holderOf(roster[role]), "another payload");
        if (wrong == 8) delete five[role];

        try ledger.submit(statement, five) returns (bytes32 id) {
            if (wrong != 0) ++intrusions;
            recorded.push(id);
            Memo storage kept = _memos[id];
            kept.statement = statement;
            kept.blockNumber = uint40(block.number);
            kept.blockTime = uint40(block.timestamp);
            kept.status = IArchiveLedger.Status.Anchored;
            for (uint256 i = 0; i < 5; ++i) {
                kept.signers[i] = seals.certificate(five[i].certificateId).organisation;
            }
        } catch {
            if (wrong == 0) ++intrusions;
        }
    }

    /// @dev The current roster of a unit project.
    function _roster(bytes32 unit_) private view returns (bytes18[5] memory) {
        return projects.roster(unit_, projects.unitProject(unit_).rosterVersion).organisations;
    }

    /// @dev The seals of a roster's organisations over a payload.
    function _sealAs(bytes18[5] memory roster, bytes memory payload) private view returns (Seal[5] memory five) {
        for (uint256 i = 0; i < 5; ++i) five[i] = _seal(_holderOf(roster[i]), payload);
    }

    /// @dev The unit project itself, or the first one for a key that is none.
    function _known(bytes32 key) private view returns (bytes32) {
        return key == units[1] ? units[1] : units[0];
    }

    /// @dev The certificate of an organisation.
    function _holderOf(bytes18 organisation) private view returns (uint256 i) {
        while (organisations[i] != organisation) ++i;
    }
}
