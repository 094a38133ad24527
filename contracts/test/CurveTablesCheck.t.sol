// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {CurveTables} from "../libraries/CurveTables.sol";
import {CurveTablesFixture} from "./CurveTablesFixture.sol";

/// @title Tests of the check of tables: each point is replaced by each kind of wrong one
contract CurveTablesCheckTest is CurveTablesFixture {
    function testFuzz_BuildsWhatTheCheckTakes(uint256 privateKey) public view {
        privateKey = 1_000 + (privateKey % (N - 2_000));
        (uint256 qx, uint256 qy) = vm.publicKeyP256(privateKey);
        bytes memory table = tables.build(curve, qx, qy);
        assertTrue(tables.firstWrong(curve, qx, qy, table) == CurveTables.POINTS, "check");
        (uint256 ox, uint256 oy) = vm.publicKeyP256(privateKey + 1);
        assertTrue(tables.firstWrong(curve, ox, oy, table) == 16, "another key's");
    }

    function test_FindsEveryPointThatIsNotOnTheCurve() public view {
        _tamperAll(_flipX);
        _tamperAll(_flipY);
        _tamperAll(_swapCoordinates);
        _tamperAll(_ofTheTwist);
    }

    function test_FindsEveryOtherPointOfTheCurve() public view {
        _tamperAll(_negative);
        _tamperAll(_neighbour);
        _tamperAll(_double);
        _tamperAll(_generator);
    }

    function test_FindsEveryPointOutsideTheField() public view {
        _tamperAll(_zero);
        _tamperAll(_xAboveTheField);
        _tamperAll(_yAboveTheField);
    }

    function test_FindsExchangedPoints() public view {
        bytes memory table = account.code;
        for (uint256 i = 0; i < 256; ++i) {
            // With its neighbour, and with the same sum of the other point's bases.
            _exchange(table, i, i ^ 1);
            assertTrue(tables.firstWrong(curve, x, y, table) == (i & 0xfe), "neighbour");
            _exchange(table, i, i ^ 1);
            uint256 other = (i >> 4) | ((i & 15) << 4);
            if (other == i) continue;
            _exchange(table, i, other);
            assertTrue(tables.firstWrong(curve, x, y, table) < 256, "other point's");
            _exchange(table, i, other);
        }
        assertTrue(tables.firstWrong(curve, x, y, table) == 256, "put back");
    }

    function testFuzz_FindsAnyFlippedBit(uint256 place) public view {
        bytes memory table = account.code;
        place %= 8 * table.length;
        table[place / 8] ^= bytes1(uint8(1 << (place % 8)));
        // Whatever is made with a wrong base comes behind it.
        assertTrue(tables.firstWrong(curve, x, y, table) == place / 512, "index");
    }

    function test_FindsTablesOfAnotherLength() public view {
        bytes memory table = account.code;
        assertTrue(tables.firstWrong(curve, x, y, abi.encodePacked(table, uint8(0))) == 0, "longer");
        assertTrue(tables.firstWrong(curve, x, y, hex"") == 0, "none");
    }

    /// @dev Has every point but infinity replaced in turn, and expects it found.
    function _tamperAll(
        function(uint256, uint256, uint256) view returns (uint256, uint256) change
    ) private view {
        bytes memory table = account.code;
        for (uint256 i = 1; i < 256; ++i) {
            (uint256 px, uint256 py) = _point(table, i);
            (uint256 cx, uint256 cy) = change(i, px, py);
            if (cx == px && cy == py) continue;
            _setPoint(table, i, cx, cy);
            assertTrue(tables.firstWrong(curve, x, y, table) == i, "not found");
            _setPoint(table, i, px, py);
        }
        assertTrue(tables.firstWrong(curve, x, y, table) == 256, "put back");
    }

    function _flipX(uint256, uint256 px, uint256 py) private pure returns (uint256, uint256) {
        return (px ^ 1, py);
    }

    function _flipY(uint256, uint256 px, uint256 py) private pure returns (uint256, uint256) {
        return (px, py ^ 1);
    }

    function _swapCoordinates(uint256, uint256 px, uint256 py) private pure returns (uint256, uint256) {
        return (py, px);
    }

    /// @dev A point of the curve's quadratic twist: -y² = x³ - 3x + b, where x is no x of the curve (p ≡ 3 mod 4).
    function _ofTheTwist(uint256, uint256 px, uint256) private view returns (uint256, uint256) {
        uint256 p = curve.p;
        while (true) {
            px = addmod(px, 1, p);
            uint256 square = p - addmod(mulmod(addmod(mulmod(px, px, p), p - 3, p), px, p), curve.b, p);
            uint256 root = _power(square, (p + 1) / 4, p);
            if (mulmod(root, root, p) == square) return (px, root);
        }
        return (0, 0);
    }

    function _negative(uint256, uint256 px, uint256 py) private view returns (uint256, uint256) {
        return (px, curve.p - py);
    }

    function _neighbour(uint256 i, uint256, uint256) private pure returns (uint256, uint256) {
        return vm.publicKeyP256(_scalar(i == 255 ? 1 : i + 1, PRIVATE_KEY));
    }

    function _double(uint256 i, uint256, uint256) private pure returns (uint256, uint256) {
        return vm.publicKeyP256(mulmod(2, _scalar(i, PRIVATE_KEY), N));
    }

    function _generator(uint256, uint256, uint256) private pure returns (uint256, uint256) {
        return (P256.GX, P256.GY);
    }

    function _zero(uint256, uint256, uint256) private pure returns (uint256, uint256) {
        return (0, 0);
    }

    /// @dev The same x modulo p where there is room for it, else p.
    function _xAboveTheField(uint256, uint256 px, uint256 py) private view returns (uint256, uint256) {
        return (px > type(uint256).max - curve.p ? curve.p : px + curve.p, py);
    }

    function _yAboveTheField(uint256, uint256 px, uint256 py) private view returns (uint256, uint256) {
        return (px, py > type(uint256).max - curve.p ? type(uint256).max : py + curve.p);
    }

    /// @dev Exchanges two points.
    function _exchange(bytes memory table, uint256 i, uint256 j) private pure {
        (uint256 ix, uint256 iy) = _point(table, i);
        (uint256 jx, uint256 jy) = _point(table, j);
        _setPoint(table, i, jx, jy);
        _setPoint(table, j, ix, iy);
    }
}
