// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {IAuthorityRegistry} from "../interfaces/IAuthorityRegistry.sol";
import {ISealRegistry, Seal} from "../interfaces/ISealRegistry.sol";
import {ISuite} from "../interfaces/ISuite.sol";
import {CertificateWriter} from "./CertificateWriter.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

contract SealRegistryTest is LedgerFixture {
    bytes internal payload = "payload";

    function setUp() public {
        _deploy();
    }

    function test_FindsACertificateEveryWay() public view {
        bytes32 id = sha256(_certificate(2));
        ISealRegistry.Certificate memory found = seals.certificate(id);
        assertTrue(found.organisation == organisations[2] && found.handle == 3 && !found.revoked, "by id");
        assertTrue(found.notBefore == START - 1000 && found.notAfter == START + 1000 days, "validity");
        assertTrue(seals.certificateByIssuerAndSerial(issuer, hex"03") == id, "by issuer and serial");
        assertTrue(seals.certificateByKey(CertificateWriter.key(2)) == id, "by key");
    }

    function test_RefusesASecondRegistrationOfAnyOfTheThree() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.CertificateAlreadyRegistered.selector, certificates[0])
        );
        seals.registerCertificate(_certificate(0));
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.IssuerAndSerialAlreadyRegistered.selector, certificates[0], 1)
        );
        seals.registerCertificate(_certificate(1, 77, START - 1000, START));
        vm.expectRevert(
            abi.encodeWithSelector(
                ISealRegistry.KeyAlreadyRegistered.selector,
                certificates[0],
                CertificateWriter.key(0)
            )
        );
        seals.registerCertificate(_certificate(77, 0, START - 1000, START));
    }

    function testFuzz_TakesEverySerial(uint160 serial) public {
        bytes memory der = _certificate(serial, 77, START - 1000, START);
        if (serial == 0 || serial > type(uint160).max >> 1) {
            vm.expectRevert(abi.encodeWithSelector(IAuthorityRegistry.OutsideProfile.selector, "serial"));
        } else if (serial < 8) {
            return; // one of the fixture's
        }
        seals.registerCertificate(der);
    }

    function testFuzz_ReadsTheValidity(uint64 notBefore, uint64 notAfter) public {
        notBefore = START - 365 days + (notBefore % 3000 days);
        notAfter = START - 365 days + (notAfter % 3000 days);
        if (notAfter < notBefore) {
            vm.expectRevert(abi.encodeWithSelector(IAuthorityRegistry.OutsideProfile.selector, "validity"));
        } else if (notAfter > START + 2000 days) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAuthorityRegistry.OutsideAuthoritysValidity.selector,
                    keccak256(abi.encodePacked(keccak256(issuer), issuerKey)),
                    START - 365 days,
                    START + 2000 days
                )
            );
        }
        bytes32 id = seals.registerCertificate(_certificate(77, 77, notBefore, notAfter));
        if (id == 0) return; // refused, as expected
        ISealRegistry.Certificate memory found = seals.certificate(id);
        assertTrue(found.notBefore == notBefore && found.notAfter == notAfter, "validity");
    }

    function testFuzz_RefusesAnyChangedByte(uint256 place, uint8 mask) public {
        if (mask == 0) return;
        bytes memory der = _certificate(77, 77, START - 1000, START);
        der[place % der.length] ^= bytes1(mask);
        try seals.registerCertificate(der) {
            assertTrue(false, "a changed certificate was taken");
        } catch {}
    }

    function test_NeverReplacesASuite() public {
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.SuiteAlreadyAdded.selector, 1, suite));
        seals.addSuite(1, suite);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidSuiteId.selector, 128));
        seals.addSuite(128, suite);
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.SuiteWithoutCode.selector, address(7)));
        seals.addSuite(2, ISuite(address(7)));
    }

    function test_StopsOnce() public {
        seals.revokeCertificate(certificates[1], 1);
        ISealRegistry.Revocation memory found = seals.revocation(certificates[1]);
        assertTrue(found.stoppedAt == START && found.stopReason == 1 && found.revokedAt == 0, "values");
        ISealRegistry.Certificate memory stored = seals.certificate(certificates[1]);
        assertTrue(stored.revoked && stored.suiteId == 1, "certificate");
        vm.expectRevert(
            abi.encodeWithSelector(ISealRegistry.CertificateAlreadyRevoked.selector, certificates[1], START)
        );
        seals.revokeCertificate(certificates[1], 1);
    }

    function testFuzz_StopsForFinalReasonsOnly(uint8 reason) public {
        if (!_isFinal(reason)) {
            vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidRevocationReason.selector, reason));
        }
        seals.revokeCertificate(certificates[0], reason);
    }

    function testFuzz_RevokesForFinalReasonsOnly(uint8 reason) public {
        bytes memory list = _list(START, CertificateWriter.entry(1, START, reason, 0));
        if (!_isFinal(reason)) {
            vm.expectRevert(abi.encodeWithSelector(ISealRegistry.InvalidRevocationReason.selector, reason));
        }
        seals.revokeByCrl(list, certificates[0]);
    }

    function testFuzz_FindsAnEntryAmongOthers(uint8 before, uint8 behind) public {
        bytes memory entries = "";
        for (uint160 i = 0; i < before % 8; ++i) {
            entries = abi.encodePacked(entries, CertificateWriter.entry(1000 + i, START - 9, 0, 0));
        }
        bytes memory without = _list(START, entries);
        entries = abi.encodePacked(entries, CertificateWriter.entry(3, START - 5, 4, START - 7));
        for (uint160 i = 0; i < behind % 8; ++i) {
            entries = abi.encodePacked(entries, CertificateWriter.entry(2000 + i, START - 9, 0, 0));
        }
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.NotOnList.selector, certificates[2]));
        seals.revokeByCrl(without, certificates[2]);
        seals.revokeByCrl(_list(START, entries), certificates[2]);
        ISealRegistry.Revocation memory found = seals.revocation(certificates[2]);
        assertTrue(found.revokedAt == START - 5 && found.reason == 4, "entry");
        assertTrue(found.invalidityTime == START - 7 && found.thisUpdate == START, "times");
    }

    function testFuzz_RefusesAListWithAnyChangedByte(uint256 place, uint8 mask) public {
        if (mask == 0) return;
        bytes memory list = _list(START, CertificateWriter.entry(1, START, 1, START - 7));
        list[place % list.length] ^= bytes1(mask);
        try seals.revokeByCrl(list, certificates[0]) {
            assertTrue(false, "a changed list was taken");
        } catch {}
    }

    function test_TakesANewerListOnly() public {
        seals.revokeByCrl(_list(START - 100, CertificateWriter.entry(1, START - 200, 3, 0)), certificates[0]);
        bytes memory same = _list(START - 100, CertificateWriter.entry(1, START - 200, 1, START - 900));
        vm.expectRevert(abi.encodeWithSelector(ISealRegistry.ListNotNewer.selector, START - 100, START - 100));
        seals.revokeByCrl(same, certificates[0]);
        assertTrue(seals.standing(certificates[0], START - 300) == ISealRegistry.Standing.Valid, "before");
        seals.revokeByCrl(_list(START - 99, CertificateWriter.entry(1, START - 200, 1, START - 900)), certificates[0]);
        assertTrue(seals.standing(certificates[0], START - 300) == ISealRegistry.Standing.Questionable, "after");
    }

    function testFuzz_RefusesListsFromTheFuture(uint64 thisUpdate, uint64 revokedAt) public {
        thisUpdate = START - 500 + (thisUpdate % 1500);
        revokedAt = START - 500 + (revokedAt % 1500);
        bytes memory list = _list(thisUpdate, CertificateWriter.entry(1, revokedAt, 0, 0));
        if (thisUpdate > START + 300 || revokedAt > START) {
            uint64 latest = thisUpdate > revokedAt ? thisUpdate : revokedAt;
            vm.expectRevert(abi.encodeWithSelector(ISealRegistry.ListInFuture.selector, latest, START));
        }
        seals.revokeByCrl(list, certificates[0]);
    }

    function testFuzz_StandingFollowsTheRuleOfTime(
        uint64 time,
        uint64 stoppedAt,
        uint64 revokedAt,
        uint64 invalidSince,
        uint8 reason,
        uint8 how
    ) public {
        reason = [0, 1, 2, 3, 4, 5, 9, 10][reason % 8];
        stoppedAt = START + (stoppedAt % 2000);
        revokedAt = START - 2000 + (revokedAt % 4000);
        invalidSince = how & 4 == 0 ? 0 : START - 4000 + (invalidSince % 8000);
        time = START - 2000 + (time % 5000);
        vm.warp(stoppedAt);
        if (how & 1 != 0) seals.revokeCertificate(certificates[0], 1);
        vm.warp(START + 2000);
        bytes memory list = _list(START + 2000, CertificateWriter.entry(1, revokedAt, reason, invalidSince));
        if (how & 2 != 0) seals.revokeByCrl(list, certificates[0]);

        // The rule as signing.verification.Revocation.effective_from has it.
        uint64 notBefore = START - 1000;
        uint64 never = type(uint64).max;
        uint64 stopped = how & 1 != 0 ? stoppedAt : never;
        uint64 revoked = how & 2 != 0 ? revokedAt : never;
        uint64 effective = revoked;
        if (revoked != never && invalidSince != 0 && (reason == 1 || reason == 2 || reason == 10)) {
            uint64 reach = invalidSince > notBefore ? invalidSince : notBefore;
            if (reach < revoked) effective = reach;
        }
        ISealRegistry.Standing expected = ISealRegistry.Standing.Valid;
        if (effective <= time) expected = ISealRegistry.Standing.Questionable;
        if (revoked <= time || stopped <= time) expected = ISealRegistry.Standing.Revoked;
        if (time < notBefore) expected = ISealRegistry.Standing.NotYetValid;
        assertTrue(seals.standing(certificates[0], time) == expected, "standing");
    }

    function test_StandingAtTheEdges() public view {
        assertTrue(seals.standing("none", START) == ISealRegistry.Standing.Unknown, "unknown");
        assertTrue(seals.standing(certificates[0], START - 1001) == ISealRegistry.Standing.NotYetValid, "early");
        assertTrue(seals.standing(certificates[0], START - 1000) == ISealRegistry.Standing.Valid, "first second");
        assertTrue(seals.standing(certificates[0], START + 1000 days) == ISealRegistry.Standing.Valid, "last second");
        assertTrue(seals.standing(certificates[0], START + 1000 days + 1) == ISealRegistry.Standing.Expired, "late");
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
        seals.revokeCertificate(certificates[1], 0);
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

    function testFuzz_OnlyRegistrarsStopAndAnyoneRegistersAndRevokes(address sender) public {
        if (sender == address(this)) return;
        bytes32 role = seals.REGISTRAR_ROLE();
        vm.prank(sender);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, sender, role)
        );
        seals.revokeCertificate(certificates[0], 1);
        bytes memory list = _list(START, CertificateWriter.entry(1, START, 1, 0));
        vm.prank(sender);
        seals.revokeByCrl(list, certificates[0]);
        bytes memory der = _certificate(77, 77, START - 1000, START);
        vm.prank(sender);
        seals.registerCertificate(der);
    }

    /// @dev A list of the fixture's authority.
    function _list(uint64 thisUpdate, bytes memory entries) private view returns (bytes memory) {
        return CertificateWriter.list(issuer, issuerKey, thisUpdate, entries);
    }

    /// @dev Whether a reason can't be taken back.
    function _isFinal(uint8 reason) private pure returns (bool) {
        return reason < 6 || reason == 9 || reason == 10;
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
