// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {CurveTables} from "../libraries/CurveTables.sol";
import {CurveTablesFixture} from "./CurveTablesFixture.sol";

/// @title Tests of tables and of the sums made with them, on P-256 and on SM2's curve
contract CurveTablesTest is CurveTablesFixture {
    function test_HoldsTheSumOfTheBasesOfEachIndex() public view {
        bytes memory table = account.code;
        assertTrue(table.length == 16_384, "size");
        (uint256 px, uint256 py) = _point(table, 0);
        assertTrue(px == 0 && py == 0, "infinity");
        for (uint256 i = 1; i < 256; ++i) {
            (uint256 wx, uint256 wy) = vm.publicKeyP256(_scalar(i, PRIVATE_KEY));
            (px, py) = _point(table, i);
            assertTrue(px == wx && py == wy, "point");
        }
    }

    function test_ItsAccountDoesNothingWhenCalled() public {
        (bool done, bytes memory answer) = account.call(hex"01020304");
        assertTrue(done && answer.length == 0, "STOP");
    }

    function test_RefusesKeysWhosePrivateKeyAnybodyKnows() public {
        uint256 limb = 1 << 64;
        _refuse(1, 17); // Q = G
        _refuse(N - 1, 17); // Q = -G: G + Q would be infinity
        _refuse(limb, 18); // Q = 2^64·G
        _refuse(N - limb, 18);
        _refuse(1 + limb, 19); // Q is a sum of G's bases
        _refuse(N - 1 - limb - limb * limb - limb * limb * limb, 31);
        _refuse(N - 2, 17); // Q = -2·G: G + Q = -G
        _refuse(N / 2, 17); // 2·Q = -G: G + Q = -Q
        _refuse(mulmod(N - 1, _power(limb, N - 2, N), N), 33); // 2^64·Q = -G
    }

    function testFuzz_MultipliesAsTheJudge(uint256 u1, uint256 u2) public view {
        _requireSum(PRIVATE_KEY, account, u1, u2);
        // One scalar of few bits and one of many.
        _requireSum(PRIVATE_KEY, account, u1 >> (u2 % 256), u2);
        _requireSum(PRIVATE_KEY, account, u1, u2 >> (u1 % 256));
    }

    function test_MultipliesByEdges() public view {
        uint256[9] memory edges = [uint256(0), 1, 2, 1 << 64, (1 << 64) - 1, N - 1, N, N + 1, type(uint256).max];
        for (uint256 i = 0; i < edges.length; ++i) {
            for (uint256 j = 0; j < edges.length; ++j) _requireSum(PRIVATE_KEY, account, edges[i], edges[j]);
        }
    }

    function test_AddsPointsThatAreEqualOrOpposite() public {
        // 2·A = n + b with b a sum of G's bases, so before the last addition the sum is the point to add: n + 2·b in all.
        uint256 b = 1 | (1 << 128) | (1 << 192);
        _requireSum(PRIVATE_KEY, account, N + 2 * b, 0);
        _requireSum(PRIVATE_KEY, account, N, 0); // here it is the opposite one
        _requireSum(PRIVATE_KEY, account, 0, N + 2 * b);
        _requireSum(PRIVATE_KEY, account, 0, N);
        // The same with keys made for it: 8·Q = ±k·G with k odd, which is no relation of two sums of bases.
        for (uint256 k = 1; k < 16; k += 2) {
            uint256 eighth = mulmod(k, _power(8, N - 2, N), N);
            _requireSums(eighth);
            _requireSums(N - eighth);
        }
    }

    function test_HasXModuloTheOrder() public view {
        // (u1, u2) = (k, 0): the x of k·G, which is below n for nearly all k.
        (uint256 kx, ) = vm.publicKeyP256(77);
        assertTrue(tables.hasX(curve, account, 77, 0, kx), "x");
        assertTrue(!tables.hasX(curve, account, 77, 0, kx + 1), "another x");
        assertTrue(!tables.hasX(curve, account, 0, 0, 0), "infinity has no x");
        assertTrue(!tables.hasX(curve, account, N, 0, 0), "nor has it here");
    }

    function test_WorksOnTheCurveOfSm2() public {
        // GB/T 32918.5-2017 annex A.2: the curve, a key, the digest e of its message, and the signature (r, s).
        CurveTables.Curve memory sm2 = CurveTables.Curve({
            p: 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF,
            n: 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123,
            b: 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93,
            gx: 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
            gy: 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
        });
        uint256 qx = 0x09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020;
        uint256 qy = 0xCCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13;
        uint256 e = 0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640;
        uint256 r = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3;
        uint256 s = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA;
        address table = tables.store(tables.build(sm2, qx, qy));
        assertTrue(tables.firstWrong(sm2, qx, qy, table.code) == 256, "table");
        uint256 t = addmod(r, s, sm2.n);
        uint256 v = addmod(r, sm2.n - (e % sm2.n), sm2.n);
        assertTrue(tables.hasX(sm2, table, s, t, v), "signature");
        assertTrue(!tables.hasX(sm2, table, s, t, v ^ 1), "another digest");
        assertTrue(!tables.hasX(sm2, table, s ^ 1, t, v), "another s");
    }

    /// @dev Expects a private key's public key to be refused at an index.
    function _refuse(uint256 privateKey, uint256 index) private {
        (uint256 qx, uint256 qy) = vm.publicKeyP256(privateKey);
        CurveTables.Curve memory params = curve;
        vm.expectRevert(abi.encodeWithSelector(CurveTables.DegenerateKey.selector, index));
        tables.build(params, qx, qy);
    }

    /// @dev Sums with a key that 8·Q = ±k·G holds of: some have equal or opposite points on the way.
    function _requireSums(uint256 privateKey) private {
        (uint256 qx, uint256 qy) = vm.publicKeyP256(privateKey);
        address table = tables.store(tables.build(curve, qx, qy));
        for (uint256 u1 = 0; u1 < 32; ++u1) {
            _requireSum(privateKey, table, u1, 8);
            _requireSum(privateKey, table, u1, 17);
        }
    }

    /// @dev Compares a sum with the judge's.
    function _requireSum(uint256 privateKey, address table, uint256 u1, uint256 u2) private view {
        uint256 scalar = addmod(u1, mulmod(u2, privateKey, N), N);
        (uint256 sx, uint256 sz) = tables.multiply(curve.p, table, u1, u2);
        if (scalar == 0) {
            assertTrue(sz == 0, "infinity");
            return;
        }
        (uint256 wx, ) = vm.publicKeyP256(scalar);
        assertTrue(sz != 0 && mulmod(wx, mulmod(sz, sz, curve.p), curve.p) == sx, "sum");
    }
}
