// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {IProjectRegistry} from "./interfaces/IProjectRegistry.sol";
import {CanonicalJson} from "./libraries/CanonicalJson.sol";
import {OrganisationCode} from "./libraries/OrganisationCode.sol";

/// @title Buildings, their unit projects, and who holds each of the five roles
contract ProjectRegistry is IProjectRegistry, AccessControl {
    /// @notice May register buildings and unit projects, and set rosters.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    uint256 private constant SURVEYOR = 1;
    uint256 private constant DESIGNER = 2;
    uint256 private constant CONTRACTOR = 3;
    uint8 private constant SURVEYOR_AND_DESIGNER = 1;
    uint8 private constant DESIGNER_AND_CONTRACTOR = 2;
    uint8 private constant SURVEYOR_AND_CONTRACTOR = 4;

    mapping(bytes32 key => bytes32 buildingKey) private _buildings;
    mapping(bytes32 unitProjectKey => UnitProject) private _unitProjects;
    mapping(bytes32 unitProjectKey => mapping(uint64 version => Roster)) private _rosters;

    /// @param admin Names registrars.
    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IProjectRegistry
    function registerBuilding(
        bytes32 buildingKey,
        string calldata scheme,
        string calldata value
    ) external onlyRole(REGISTRAR_ROLE) {
        _claimBuildingKey(buildingKey, buildingKey, scheme, value);
        emit BuildingRegistered(buildingKey, scheme, value);
    }

    /// @inheritdoc IProjectRegistry
    function addAlias(
        bytes32 buildingKey,
        bytes32 aliasKey,
        string calldata scheme,
        string calldata value
    ) external onlyRole(REGISTRAR_ROLE) {
        _requireBuilding(buildingKey);
        _claimBuildingKey(aliasKey, buildingKey, scheme, value);
        emit BuildingAliasAdded(buildingKey, aliasKey, scheme, value);
    }

    /// @inheritdoc IProjectRegistry
    function registerUnitProject(
        bytes32 buildingKey,
        bytes32 unitProjectKey,
        string calldata code,
        string calldata name
    ) external onlyRole(REGISTRAR_ROLE) {
        _requireBuilding(buildingKey);
        string memory buildingHex = _hex(buildingKey);
        _requireKey(unitProjectKey, "yunshang/unit-project/v1", CanonicalJson.pair(buildingHex, code));
        if (_unitProjects[unitProjectKey].buildingKey != 0) revert UnitProjectAlreadyRegistered(unitProjectKey);
        _unitProjects[unitProjectKey].buildingKey = buildingKey;
        emit UnitProjectRegistered(unitProjectKey, buildingKey, code, name);
    }

    /// @inheritdoc IProjectRegistry
    function setRoster(
        bytes32 unitProjectKey,
        bytes18[5] calldata organisations,
        uint8 jointAppointments
    ) external onlyRole(REGISTRAR_ROLE) returns (uint64 version) {
        UnitProject storage stored = _unitProjects[unitProjectKey];
        if (stored.buildingKey == 0) revert UnknownUnitProject(unitProjectKey);
        uint8 held = _jointAppointmentsOf(organisations);
        if (held != jointAppointments) revert JointAppointmentsMismatch(held, jointAppointments);
        bytes32 rosterHash = OrganisationCode.rosterHash(organisations);
        if (rosterHash == stored.rosterHash) revert RosterUnchanged(unitProjectKey, stored.rosterVersion);
        version = stored.rosterVersion + 1;
        stored.rosterVersion = version;
        stored.rosterHash = rosterHash;
        _rosters[unitProjectKey][version] = Roster(organisations, jointAppointments, uint40(block.timestamp));
        emit RosterSet(unitProjectKey, version, rosterHash, organisations, jointAppointments);
    }

    /// @inheritdoc IProjectRegistry
    function building(bytes32 key) external view returns (bytes32 buildingKey) {
        return _buildings[key];
    }

    /// @inheritdoc IProjectRegistry
    function unitProject(bytes32 unitProjectKey) external view returns (UnitProject memory found) {
        found = _unitProjects[unitProjectKey];
        if (found.buildingKey == 0) revert UnknownUnitProject(unitProjectKey);
    }

    /// @inheritdoc IProjectRegistry
    function buildingAndRoster(
        bytes32 unitProjectKey
    ) external view returns (bytes32 buildingKey, bytes32 rosterHash) {
        UnitProject storage stored = _unitProjects[unitProjectKey];
        return (stored.buildingKey, stored.rosterHash);
    }

    /// @inheritdoc IProjectRegistry
    function roster(bytes32 unitProjectKey, uint64 version) external view returns (Roster memory found) {
        found = _rosters[unitProjectKey][version];
        if (found.setAt == 0) revert UnknownRosterVersion(unitProjectKey, version);
    }

    /// @dev Binds the key of an identifier to a building; no key is bound twice.
    function _claimBuildingKey(bytes32 key, bytes32 buildingKey, string calldata scheme, string calldata value) private {
        _requireKey(key, "yunshang/building/v1", CanonicalJson.pair(scheme, value));
        if (_buildings[key] != 0) revert BuildingAlreadyRegistered(key, _buildings[key]);
        _buildings[key] = buildingKey;
    }

    /// @dev Only a building's own key will do, not an alias.
    function _requireBuilding(bytes32 buildingKey) private view {
        if (buildingKey == 0 || _buildings[buildingKey] != buildingKey) revert UnknownBuilding(buildingKey);
    }

    /// @dev The key must be SHA-256(domain ‖ 0x00 ‖ canonical JSON).
    function _requireKey(bytes32 key, string memory domain, bytes memory canonical) private pure {
        bytes32 expected = sha256(abi.encodePacked(domain, bytes1(0), canonical));
        if (expected != key) revert KeyMismatch(expected, key);
    }

    /// @dev The pairs of roles that one organisation holds; refuses pairs that can't be declared.
    function _jointAppointmentsOf(bytes18[5] calldata organisations) private pure returns (uint8 held) {
        for (uint256 i = 0; i < 5; ++i) {
            OrganisationCode.requireWellFormed(organisations[i]);
            for (uint256 j = 0; j < i; ++j) {
                if (organisations[i] == organisations[j]) held |= _pair(j, i, organisations[i]);
            }
        }
    }

    /// @dev The declaration of a pair of roles, the lower first.
    function _pair(uint256 first, uint256 second, bytes18 organisation) private pure returns (uint8) {
        if (first == SURVEYOR && second == DESIGNER) return SURVEYOR_AND_DESIGNER;
        if (first == DESIGNER && second == CONTRACTOR) return DESIGNER_AND_CONTRACTOR;
        if (first == SURVEYOR && second == CONTRACTOR) return SURVEYOR_AND_CONTRACTOR;
        revert RolesIncompatible(first, second, organisation);
    }

    /// @dev 64 lowercase hex digits without 0x.
    function _hex(bytes32 word) private pure returns (string memory) {
        bytes16 digits = "0123456789abcdef";
        bytes memory text = new bytes(64);
        for (uint256 i = 0; i < 32; ++i) {
            text[2 * i] = digits[uint8(word[i]) >> 4];
            text[2 * i + 1] = digits[uint8(word[i]) & 0x0f];
        }
        return string(text);
    }
}
