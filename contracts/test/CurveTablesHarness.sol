// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {CurveTables} from "../libraries/CurveTables.sol";

/// @title The functions of the library behind calls, for any curve; and OpenZeppelin's check in Solidity
contract CurveTablesHarness {
    /// @notice See {CurveTables-build}.
    function build(CurveTables.Curve calldata curve, uint256 x, uint256 y) external view returns (bytes memory) {
        return CurveTables.build(curve, x, y);
    }

    /// @notice See {CurveTables-store}.
    function store(bytes calldata table) external returns (address) {
        return CurveTables.store(table);
    }

    /// @notice See {CurveTables-firstWrong}.
    function firstWrong(
        CurveTables.Curve calldata curve,
        uint256 x,
        uint256 y,
        bytes calldata table
    ) external pure returns (uint256) {
        return CurveTables.firstWrong(curve, x, y, table);
    }

    /// @notice See {CurveTables-multiply}.
    function multiply(uint256 p, address account, uint256 u1, uint256 u2) external view returns (uint256, uint256) {
        return CurveTables.multiply(p, account, u1, u2);
    }

    /// @notice See {CurveTables-hasX}.
    function hasX(
        CurveTables.Curve calldata curve,
        address account,
        uint256 u1,
        uint256 u2,
        uint256 v
    ) external view returns (bool) {
        return CurveTables.hasX(curve.p, curve.n, account, u1, u2, v);
    }

    /// @notice OpenZeppelin's check, without and with the precompile where there is one.
    function verify(
        bytes32 digest,
        bytes32 r,
        bytes32 s,
        bytes32 x,
        bytes32 y
    ) external view returns (bool inSolidity, bool atWill) {
        return (P256.verifySolidity(digest, r, s, x, y), P256.verify(digest, r, s, x, y));
    }
}
