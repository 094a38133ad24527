// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {CurveTables} from "../libraries/CurveTables.sol";
import {CurveTablesHarness} from "./CurveTablesHarness.sol";
import {TestBase} from "./TestBase.sol";

/// @title A key on P-256 with its table, and what tests of tables need; the judge is the test runner's own arithmetic
abstract contract CurveTablesFixture is TestBase {
    uint256 internal constant N = P256.N;
    uint256 internal constant PRIVATE_KEY = 0x5eed000011112222333344445555666677778888_9999aaaabbbbccccddddeeee;

    CurveTables.Curve internal curve = CurveTables.Curve({p: P256.P, n: N, b: P256.B, gx: P256.GX, gy: P256.GY});
    CurveTablesHarness internal tables;

    /// @dev A key, and the account with its table.
    uint256 internal x;
    uint256 internal y;
    address internal account;

    function setUp() public {
        (x, y) = vm.publicKeyP256(PRIVATE_KEY);
        tables = new CurveTablesHarness();
        account = tables.store(tables.build(curve, x, y));
    }

    /// @dev The scalar of an index's point.
    function _scalar(uint256 index, uint256 privateKey) internal pure returns (uint256 scalar) {
        for (uint256 bit = 0; bit < 8; ++bit) {
            if ((index >> bit) & 1 == 0) continue;
            scalar = addmod(scalar, mulmod(1 << (64 * (bit & 3)), bit < 4 ? 1 : privateKey, N), N);
        }
    }

    /// @dev Reads a point.
    function _point(bytes memory table, uint256 i) internal pure returns (uint256 px, uint256 py) {
        assembly ("memory-safe") {
            px := mload(add(add(table, 0x20), mul(i, 0x40)))
            py := mload(add(add(table, 0x40), mul(i, 0x40)))
        }
    }

    /// @dev Writes a point.
    function _setPoint(bytes memory table, uint256 i, uint256 px, uint256 py) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(table, 0x20), mul(i, 0x40)), px)
            mstore(add(add(table, 0x40), mul(i, 0x40)), py)
        }
    }

    /// @dev base^exponent modulo p.
    function _power(uint256 base, uint256 exponent, uint256 p) internal pure returns (uint256 result) {
        result = 1;
        for (; exponent != 0; exponent >>= 1) {
            if (exponent & 1 == 1) result = mulmod(result, base, p);
            base = mulmod(base, base, p);
        }
    }
}
