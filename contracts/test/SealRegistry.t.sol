// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {ISealRegistry, Seal} from "../interfaces/ISealRegistry.sol";
import {ISuite} from "../interfaces/ISuite.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

contract SealRegistryTest is LedgerFixture {
    bytes internal payload = "payload";

    function setUp() public {
        _deploy();
    }

    function test_FindsACertificateEveryWay() public view {
        ISealRegistry.CertificateInput memory input = _certificate(2);
        bytes32 id = sha256(input.der);
        ISealRegistry.Certificate memory found = seals.certificate(id);
        assertTrue(found.organisation == input.organisation && found.handle == 3 && !found.revoked, "by id");
        assertTrue(found.notBefore == input.notBefore && found.notAfter == input.notAfter, "validity");
        assertTrue(seals.certificateByIssuerAndSerial(input.issuer, input.serial) == id, "by issuer and serial");
        assertTrue(seals.certificateByKey(input.key) == id, "by key");
    }

    function test_RefusesASecondRegistrationOfAnyOfTheThree() public {
        ISealRegistry.CertificateInput memory input = _certificate(0);
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.CertificateAlreadyRegistered.selector, certificates[0])
        );
        seals.registerCertificate(input);
        input.der = "flipped";
        vm.expectRevert(
            abi.encodeWithSelector(
                ISealRegistry.IssuerAndSerialAlreadyRegistered.selector,
                certificates[0],
                input.issuer,
                input.serial
            )
        );
        seals.registerCertificate(input);
        input.serial = hex"77";
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.KeyAlreadyRegistered.selector, certificates[0], input.key)
        );
        seals.registerCertificate(input);
    }

    function testFuzz_TakesMinimalSerialsOnly(bytes memory serial) public {
        ISealRegistry.CertificateInput memory input = _certificate(8 - 2);
        input.der = "new";
        input.key = "new";
        input.serial = serial;
        if (serial.length == 0 || serial.length > 20 || serial[0] == 0) {
            vm.expectRevert(abi.encodeWithSelector(ISealRegistry.MalformedSerial.selector, serial));
        } else if (serial.length == 1 && uint8(serial[0]) < 8) {
            return; // one of the fixture's
        }
        seals.registerCertificate(input);
    }

    function test_RefusesAValidityThatEndsBeforeItBegins() public {
        ISealRegistry.CertificateInput memory input = _certificate(6);
        input.notAfter = input.notBefore - 1;
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.InvalidValidity.selector, input.notBefore, input.notAfter)
        );
        seals.registerCertificate(input);
    }

    function test_NeverReplacesASuite() public {
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.SuiteAlreadyAdded.selector, 1, suite));
        seals.addSuite(1, suite);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidSuiteId.selector, 128));
        seals.addSuite(128, suite);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.SuiteWithoutCode.selector, address(7)));
        seals.addSuite(2, ISuite(address(7)));
        ISealRegistry.CertificateInput memory input = _certificate(6);
        (input.der, input.key, input.serial, input.suiteId) = ("new", "new", hex"77", 2);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.UnknownSuite.selector, 2));
        seals.registerCertificate(input);
    }

    function test_RevokesOnce() public {
        seals.revokeCertificate(certificates[1], 1, START - 500);
        ISealRegistry.Revocation memory found = seals.revocation(certificates[1]);
        assertTrue(found.revokedAt == START && found.invalidityTime == START - 500 && found.reason == 1, "values");
        ISealRegistry.Certificate memory stored = seals.certificate(certificates[1]);
        assertTrue(stored.revoked && stored.suiteId == 1, "certificate");
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.CertificateAlreadyRevoked.selector, certificates[1], START)
        );
        seals.revokeCertificate(certificates[1], 1, START - 500);
    }

    function testFuzz_RevokesForFinalReasonsOnly(uint8 reason) public {
        if (reason > 10 || reason == 6 || reason == 7 || reason == 8) {
            vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidRevocationReason.selector, reason));
        }
        seals.revokeCertificate(certificates[0], reason, START);
    }

    function testFuzz_BoundsTheInvalidityTime(uint64 time) public {
        if (time < START - 1000 || time > START) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ISealRegistry.InvalidityTimeOutOfRange.selector,
                    time,
                    START - 1000,
                    START
                )
            );
        }
        seals.revokeCertificate(certificates[0], 1, time);
    }

    function testFuzz_BoundsTheSigningTime(uint64 time) public {
        if (time > START + 1000 days) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ISealRegistry.CertificateExpired.selector,
                    0,
                    certificates[0],
                    START + 1000 days,
                    START
                )
            );
        } else if (time < START - 1000 || time > START + 300) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ISealRegistry.SigningTimeOutOfRange.selector,
                    0,
                    time,
                    START - 1000,
                    START + 300
                )
            );
        }
        seals.checkSeals(payload, _list(_sealAt(0, time)));
    }

    function test_RefusesExpiredRevokedUnknownAndForged() public {
        Seal memory seal = _sealAt(0, START);
        seal.r = bytes32(uint256(seal.r) ^ 1);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidSeal.selector, 0, certificates[0]));
        seals.checkSeals(payload, _list(seal));
        seal.certificateId = "none";
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.UnknownCertificate.selector, 0, bytes32("none")));
        seals.checkSeals(payload, _list(seal));
        seals.revokeCertificate(certificates[1], 0, START);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.CertificateIsRevoked.selector, 0, certificates[1]));
        seals.checkSeals(payload, _list(_sealAt(1, START)));
        seal = _sealAt(0, START);
        vm.warp(START + 1000 days);
        assertTrue(seals.checkSeals(payload, _list(seal))[0] == organisations[0], "last second");
        vm.warp(START + 1000 days + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISealRegistry.CertificateExpired.selector,
                0,
                certificates[0],
                START + 1000 days,
                START + 1000 days + 1
            )
        );
        seals.checkSeals(payload, _list(seal));
    }

    function testFuzz_OnlyRegistrarsRegister(address sender) public {
        if (sender == address(this)) return;
        bytes32 role = seals.REGISTRAR_ROLE();
        ISealRegistry.CertificateInput memory input = _certificate(6);
        vm.prank(sender);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, sender, role)
        );
        seals.registerCertificate(input);
    }

    /// @dev A seal over the payload with a claimed time.
    function _sealAt(uint256 i, uint64 time) private view returns (Seal memory) {
        return Seal(certificates[i], time, _sign(i, payload, time), bytes32(i + 1));
    }

    /// @dev A list of one.
    function _list(Seal memory seal) private pure returns (Seal[] memory list) {
        list = new Seal[](1);
        list[0] = seal;
    }
}
