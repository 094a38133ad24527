// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";
import {IProjectRegistry} from "../interfaces/IProjectRegistry.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

contract ProjectRegistryTest is LedgerFixture {
    function setUp() public {
        _deploy();
    }

    function test_RefusesAKeyOfAnotherIdentifier() public {
        bytes32 expected = sha256('yunshang/building/v1\x00["yunshang","GZ-0002"]');
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.KeyMismatch.selector, expected, building));
        projects.registerBuilding(building, "yunshang", "GZ-0002");
    }

    function test_EscapesIdentifiersAsCanonicalJsonDoes() public {
        projects.registerBuilding(
            sha256('yunshang/building/v1\x00["a\\"b","c\\\\d"]'),
            'a"b',
            "c\\d"
        );
        vm.expectRevert(abi.encodeWithSelector(IInputErrors.MalformedText.selector, "line\n"));
        projects.registerBuilding(0, "yunshang", "line\n");
    }

    function test_FindsABuildingByItsAlias() public {
        bytes32 aliasKey = sha256('yunshang/building/v1\x00["land","L-1"]');
        projects.addAlias(building, aliasKey, "land", "L-1");
        assertTrue(projects.building(aliasKey) == building, "alias");
        vm.expectRevert(
            abi.encodeWithSelector(IProjectRegistry.BuildingAlreadyRegistered.selector, aliasKey, building)
        );
        projects.registerBuilding(aliasKey, "land", "L-1");
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.UnknownBuilding.selector, aliasKey));
        projects.registerUnitProject(aliasKey, 0, "02", "name");
    }

    function test_RefusesAUnitProjectTwice() public {
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.UnitProjectAlreadyRegistered.selector, unit));
        projects.registerUnitProject(building, unit, "01", "name");
    }

    function test_KeepsEveryVersionOfARoster() public {
        bytes18[5] memory next = _five();
        next[4] = organisations[6];
        assertTrue(projects.setRoster(unit, next, 0) == 2, "version");
        assertTrue(projects.roster(unit, 1).organisations[4] == organisations[4], "first version");
        assertTrue(projects.roster(unit, 2).organisations[4] == organisations[6], "second version");
        assertTrue(projects.unitProject(unit).rosterHash == keccak256(abi.encode(next)), "current");
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.UnknownRosterVersion.selector, unit, 3));
        projects.roster(unit, 3);
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.RosterUnchanged.selector, unit, 2));
        projects.setRoster(unit, next, 0);
    }

    function testFuzz_TakesExactlyTheJointAppointmentsHeld(uint8[5] memory holders, uint8 declared) public {
        bytes18[5] memory five;
        for (uint256 i = 0; i < 5; ++i) five[i] = organisations[holders[i] % 5];
        declared %= 8;
        (uint8 held, bytes memory refusal) = _held(five);
        if (refusal.length == 0 && held != declared) {
            refusal = abi.encodeWithSelector(
                IProjectRegistry.JointAppointmentsMismatch.selector,
                held,
                declared
            );
        }
        if (refusal.length == 0 && keccak256(abi.encode(five)) == projects.unitProject(unit).rosterHash) {
            refusal = abi.encodeWithSelector(IProjectRegistry.RosterUnchanged.selector, unit, 1);
        }
        if (refusal.length != 0) vm.expectRevert(refusal);
        projects.setRoster(unit, five, declared);
    }

    function test_RefusesMalformedCodes() public {
        bytes18[5] memory five = _five();
        five[2] = "91440101ma59a00033";
        vm.expectRevert(abi.encodeWithSelector(IInputErrors.MalformedOrganisation.selector, five[2]));
        projects.setRoster(unit, five, 0);
    }

    /// @dev The pairs held, or the refusal of one that can't be; pairs are looked at in the contract's order.
    function _held(bytes18[5] memory five) private pure returns (uint8 held, bytes memory refusal) {
        for (uint256 j = 1; j < 5; ++j) {
            for (uint256 i = 0; i < j; ++i) {
                if (five[i] != five[j]) continue;
                uint256 pair = 10 * i + j;
                if (pair == 12) held |= 1;
                else if (pair == 23) held |= 2;
                else if (pair == 13) held |= 4;
                else return (0, abi.encodeWithSelector(IProjectRegistry.RolesIncompatible.selector, i, j, five[i]));
            }
        }
    }
}
