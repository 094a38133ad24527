// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {ISuite} from "../interfaces/ISuite.sol";
import {CurveTables} from "../libraries/CurveTables.sol";
import {P256TableSuite} from "../suites/P256TableSuite.sol";
import {CurveTablesHarness} from "./CurveTablesHarness.sol";
import {TestBase} from "./TestBase.sol";

/// @title The table suite with the payload itself as the digest, so that any digest can be tried
contract P256TableSuiteDigests is P256TableSuite {
    /// @param registry_ Who stores keys.
    constructor(address registry_) P256TableSuite(registry_) {}

    /// @notice Whether r ‖ s is a key's signature of a digest.
    function isSigned(bytes32 digest, uint24 handle, bytes calldata signature) external view returns (bool) {
        return _isSigned(digest, handle, signature);
    }
}

/// @title Tests of the table suite against OpenZeppelin's P256: one answer on every input
contract P256TableSuiteTest is TestBase {
    uint256 private constant N = P256.N;
    uint256 private constant KEYS = 4;
    uint256 private constant MAX_SEAL_GAS = 90_000;
    uint256 private constant MAX_REGISTRATION_GAS = 6_000_000;

    P256TableSuiteDigests private suite;
    CurveTablesHarness private judge;

    // Here and not in setUp, which would have both codes in this contract's own.
    constructor() {
        suite = new P256TableSuiteDigests(address(this));
        judge = new CurveTablesHarness();
    }

    function setUp() public {
        for (uint24 i = 1; i <= KEYS; ++i) assertTrue(suite.register(_key(_privateKey(i))) == i, "handle");
    }

    function testFuzz_AnswersAsOpenZeppelin(uint24 seed, bytes32 digest, uint8 change, uint256 value) public view {
        uint24 handle = 1 + (seed % uint24(KEYS));
        (bytes32 r, bytes32 s) = vm.signP256(_privateKey(handle), digest);
        // Half of them stay valid, but for s above n/2, which is refused.
        change %= 16;
        if (change == 8) r = bytes32(value);
        if (change == 9) s = bytes32(value);
        if (change == 10) r = bytes32(uint256(r) ^ (1 << (value % 256)));
        if (change == 11) s = bytes32(uint256(s) ^ (1 << (value % 256)));
        if (change == 12) digest = bytes32(uint256(digest) ^ (1 << (value % 256)));
        if (change == 13) handle = 1 + uint24(value % KEYS);
        if (change == 14) (r, s) = (s, r);
        if (change == 15) s = bytes32(addmod(0, N - (uint256(s) % N), N));
        _requireOneAnswer(handle, digest, r, s);
    }

    function testFuzz_AnswersAsOpenZeppelinForAnyKey(uint256 privateKey, bytes32 digest) public {
        privateKey = 1_000 + (privateKey % (N - 2_000));
        uint24 handle = suite.register(_key(privateKey));
        (bytes32 r, bytes32 s) = vm.signP256(privateKey, digest);
        if (uint256(s) > N / 2) s = bytes32(N - uint256(s));
        assertTrue(suite.isSigned(digest, handle, abi.encodePacked(r, s)), "its own signature");
        _requireOneAnswer(handle, digest, r, s);
        _requireOneAnswer(handle, keccak256(abi.encode(digest)), r, s);
    }

    function test_AnswersAsOpenZeppelinAtTheEdges() public view {
        uint256[9] memory edges = [uint256(0), 1, 2, N / 2, N / 2 + 1, N - 1, N, P256.P, type(uint256).max];
        for (uint256 i = 0; i < edges.length; ++i) {
            for (uint256 j = 0; j < edges.length; ++j) {
                _requireOneAnswer(1, bytes32(0), bytes32(edges[i]), bytes32(edges[j]));
                _requireOneAnswer(2, bytes32(N), bytes32(edges[i]), bytes32(edges[j]));
            }
        }
    }

    function test_TakesSignaturesWhoseSumPassesEqualPoints() public {
        // 8·Q = -k·G with k odd, and u2 = 8: before the last addition, of G, the sum is (u1 - 1)·G + 8·Q = (u1 - 1 - k)·G.
        // So it is G itself for u1 = k + 2, and infinity for u1 = k + 1 one round earlier.
        uint256 passed = 0;
        for (uint256 k = 1; k < 32; k += 2) {
            uint256 privateKey = N - mulmod(k, _inverse(8), N);
            uint24 handle = suite.register(_key(privateKey));
            for (uint256 u1 = k + 1; u1 < k + 4; ++u1) {
                if (_isConstructedTaken(handle, u1, 8, u1 - k) && u1 == k + 2) ++passed;
            }
        }
        assertTrue(passed > 4, "too few of them have s below n/2");
    }

    function test_SealsCostWhatTheyMay() public {
        bytes memory payload = new bytes(66);
        bytes memory attributes = abi.encodePacked(uint64(1_800_000_000));
        (bytes32 r, bytes32 s) = vm.signP256(_privateKey(1), keccak256("any"));
        if (uint256(s) > N / 2) s = bytes32(N - uint256(s));
        bytes memory signature = abi.encodePacked(r, s);
        uint256 before = gasleft();
        bool valid = suite.verifySeal(1, bytes32("certificate"), payload, attributes, signature);
        uint256 used = before - gasleft();
        // Another message's signature: the whole sum is computed before the answer.
        assertTrue(!valid, "valid");
        assertTrue(used > 50_000 && used <= MAX_SEAL_GAS, "seal");
        bytes memory key = _key(123_456_789);
        before = gasleft();
        suite.register(key);
        used = before - gasleft();
        assertTrue(used > 3_000_000 && used <= MAX_REGISTRATION_GAS, "registration");
    }

    function test_StoresATableThatAnybodyCanCheck() public {
        bytes memory key = _key(_privateKey(3));
        bytes memory table = suite.table(3).code;
        assertTrue(suite.firstWrongPoint(key, table) == 256, "right");
        table[64 * 200] ^= 0x01;
        assertTrue(suite.firstWrongPoint(key, table) == 200, "wrong");
        assertTrue(suite.firstWrongPoint(_key(_privateKey(2)), table) == 16, "another key's");
        vm.expectRevert(abi.encodeWithSelector(ISuite.InvalidKey.selector, new bytes(64)));
        suite.firstWrongPoint(new bytes(64), table);
        vm.expectRevert(abi.encodeWithSelector(ISuite.InvalidKeyLength.selector, 64, 63));
        suite.firstWrongPoint(new bytes(63), table);
    }

    function test_KnowsNoOtherHandles() public {
        (bytes32 r, bytes32 s) = vm.signP256(_privateKey(1), bytes32("digest"));
        bytes memory signature = abi.encodePacked(r, s);
        assertTrue(!suite.isSigned("digest", 0, signature), "0");
        assertTrue(!suite.isSigned("digest", uint24(KEYS + 1), signature), "the next");
        vm.expectRevert(abi.encodeWithSelector(ISuite.UnknownHandle.selector, 0));
        suite.table(0);
    }

    function test_RefusesKeysThatAreNoneOrEverybodys() public {
        bytes memory key = _key(1);
        vm.expectRevert(abi.encodeWithSelector(CurveTables.DegenerateKey.selector, 17));
        suite.register(key);
        key = _key(N - 1);
        vm.expectRevert(abi.encodeWithSelector(CurveTables.DegenerateKey.selector, 17));
        suite.register(key);
        key[63] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(ISuite.InvalidKey.selector, key));
        suite.register(key);
        assertTrue(suite.keyCount() == KEYS, "none of them has a handle");
        key = _key(77_777);
        vm.prank(address(7));
        vm.expectRevert(
            abi.encodeWithSelector(ISuite.UnauthorizedRegistry.selector, address(this), address(7))
        );
        suite.register(key);
    }

    /// @dev Makes a valid signature out of its sum's scalars: r is the sum's x, s = r / u2, and the digest u1·s. False if
    /// that s is above n/2; else it must be taken, by OpenZeppelin as well.
    function _isConstructedTaken(uint24 handle, uint256 u1, uint256 u2, uint256 scalar) private view returns (bool) {
        (uint256 r, ) = vm.publicKeyP256(scalar);
        r %= N;
        uint256 s = mulmod(r, _inverse(u2), N);
        if (s > N / 2) return false;
        bytes32 digest = bytes32(mulmod(u1, s, N));
        assertTrue(suite.isSigned(digest, handle, abi.encodePacked(r, s)), "constructed");
        _requireOneAnswer(handle, digest, bytes32(r), bytes32(s));
        return true;
    }

    /// @dev Compares the suite's answer with those of OpenZeppelin's P256.
    function _requireOneAnswer(uint24 handle, bytes32 digest, bytes32 r, bytes32 s) private view {
        bytes memory key = suite.key(handle);
        (bytes32 x, bytes32 y) = abi.decode(key, (bytes32, bytes32));
        (bool inSolidity, bool atWill) = judge.verify(digest, r, s, x, y);
        bool answer = suite.isSigned(digest, handle, abi.encodePacked(r, s));
        assertTrue(answer == inSolidity && answer == atWill, "another answer");
    }

    function _privateKey(uint24 handle) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("key", handle))) >> 1;
    }

    function _key(uint256 privateKey) private pure returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(privateKey);
        return abi.encodePacked(x, y);
    }

    /// @dev The inverse modulo the order.
    function _inverse(uint256 value) private pure returns (uint256 result) {
        result = 1;
        for (uint256 exponent = N - 2; exponent != 0; exponent >>= 1) {
            if (exponent & 1 == 1) result = mulmod(result, value, N);
            value = mulmod(value, value, N);
        }
    }
}
