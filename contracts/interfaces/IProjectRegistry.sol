// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/**
 * @title Buildings, their unit projects, and who holds each of the five roles
 * @notice Keys are computed on chain from the texts they stand for, so a key can't be registered for another text.
 * Rosters are versions, counted from 1 and never overwritten. Role order: owner, surveyor, designer, contractor,
 * supervisor.
 */
interface IProjectRegistry {
    /**
     * @notice A unit project.
     * @param buildingKey Its building.
     * @param rosterHash keccak256(abi.encode(bytes32[5])) of the current roster, zero before the first.
     * @param rosterVersion The current roster's version, 0 before the first.
     */
    struct UnitProject {
        bytes32 buildingKey;
        bytes32 rosterHash;
        uint64 rosterVersion;
    }

    /**
     * @notice One version of a roster.
     * @param organisations The five unified social credit codes, in role order.
     * @param jointAppointments Declared pairs: 1 surveyor and designer, 2 designer and contractor, 4 surveyor and
     * contractor.
     * @param setAt Block time at which it was set, unix seconds.
     */
    struct Roster {
        bytes18[5] organisations;
        uint8 jointAppointments;
        uint40 setAt;
    }

    /// @notice A building was registered.
    /// @param buildingKey Its key.
    /// @param scheme The identifier's scheme.
    /// @param value The identifier.
    event BuildingRegistered(bytes32 indexed buildingKey, string scheme, string value);

    /// @notice A building got a further identifier.
    /// @param buildingKey The building.
    /// @param aliasKey The key of the further identifier.
    /// @param scheme The further identifier's scheme.
    /// @param value The further identifier.
    event BuildingAliasAdded(bytes32 indexed buildingKey, bytes32 indexed aliasKey, string scheme, string value);

    /// @notice A unit project was registered.
    /// @param unitProjectKey Its key.
    /// @param buildingKey Its building.
    /// @param code Its code within the building.
    /// @param name Its name.
    event UnitProjectRegistered(
        bytes32 indexed unitProjectKey,
        bytes32 indexed buildingKey,
        string code,
        string name
    );

    /**
     * @notice A unit project got a new version of its roster.
     * @param unitProjectKey The unit project.
     * @param version Counted from 1.
     * @param rosterHash keccak256(abi.encode(bytes32[5])).
     * @param organisations The five codes in role order.
     * @param jointAppointments The declared pairs, as in {Roster}.
     */
    event RosterSet(
        bytes32 indexed unitProjectKey,
        uint64 indexed version,
        bytes32 indexed rosterHash,
        bytes18[5] organisations,
        uint8 jointAppointments
    );

    /// @notice The key is not that of the identifier (formats section 5).
    error KeyMismatch(bytes32 expected, bytes32 actual);

    /// @notice The key is a building's, or an alias of one, already.
    error BuildingAlreadyRegistered(bytes32 key, bytes32 buildingKey);

    /// @notice No building has this key.
    error UnknownBuilding(bytes32 buildingKey);

    /// @notice The unit project is registered already.
    error UnitProjectAlreadyRegistered(bytes32 unitProjectKey);

    /// @notice No unit project has this key.
    error UnknownUnitProject(bytes32 unitProjectKey);

    /// @notice The unit project has no roster of this version.
    error UnknownRosterVersion(bytes32 unitProjectKey, uint64 version);

    /// @notice The roster is the current one.
    error RosterUnchanged(bytes32 unitProjectKey, uint64 version);

    /// @notice One organisation in two roles that can't be held together.
    error RolesIncompatible(uint256 firstRole, uint256 secondRole, bytes18 organisation);

    /// @notice The declared pairs are not exactly those the roster has.
    error JointAppointmentsMismatch(uint8 expected, uint8 actual);

    /**
     * @notice Registers a building. Only a registrar.
     * @param buildingKey SHA-256("yunshang/building/v1" ‖ 0x00 ‖ canonical JSON of [scheme, value]).
     * @param scheme The identifier's scheme, UTF-8 without control characters.
     * @param value The identifier, UTF-8 without control characters.
     */
    function registerBuilding(bytes32 buildingKey, string calldata scheme, string calldata value) external;

    /**
     * @notice Adds a further identifier to a building. Only a registrar.
     * @param buildingKey The building.
     * @param aliasKey The key of the further identifier, computed as for a building.
     * @param scheme The further identifier's scheme.
     * @param value The further identifier.
     */
    function addAlias(bytes32 buildingKey, bytes32 aliasKey, string calldata scheme, string calldata value) external;

    /**
     * @notice Registers a unit project. Only a registrar.
     * @param buildingKey Its building.
     * @param unitProjectKey SHA-256("yunshang/unit-project/v1" ‖ 0x00 ‖ canonical JSON of [building key as lowercase
     * hex, code]).
     * @param code Its code within the building.
     * @param name Its name; emitted only.
     */
    function registerUnitProject(
        bytes32 buildingKey,
        bytes32 unitProjectKey,
        string calldata code,
        string calldata name
    ) external;

    /**
     * @notice Sets a unit project's roster as a new version. Only a registrar.
     * @param unitProjectKey The unit project.
     * @param organisations Five unified social credit codes in role order.
     * @param jointAppointments The pairs of roles in one hand, which must be exactly those the roster has: 1 surveyor
     * and designer, 2 designer and contractor, 4 surveyor and contractor. Other pairs are refused.
     * @return version The version set.
     */
    function setRoster(
        bytes32 unitProjectKey,
        bytes18[5] calldata organisations,
        uint8 jointAppointments
    ) external returns (uint64 version);

    /// @notice The building behind a building's key or alias, or zero.
    function building(bytes32 key) external view returns (bytes32 buildingKey);

    /// @notice A unit project; reverts with {UnknownUnitProject} if there is none.
    function unitProject(bytes32 unitProjectKey) external view returns (UnitProject memory);

    /// @notice Building and current roster's hash of a unit project; zeros where there are none.
    function buildingAndRoster(
        bytes32 unitProjectKey
    ) external view returns (bytes32 buildingKey, bytes32 rosterHash);

    /// @notice A version of a roster; reverts with {UnknownRosterVersion} if there is none.
    function roster(bytes32 unitProjectKey, uint64 version) external view returns (Roster memory);
}
