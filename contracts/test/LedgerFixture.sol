// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {ArchiveLedger} from "../ArchiveLedger.sol";
import {AuthorityRegistry} from "../AuthorityRegistry.sol";
import {ProjectRegistry} from "../ProjectRegistry.sol";
import {SealRegistry} from "../SealRegistry.sol";
import {IArchiveLedger} from "../interfaces/IArchiveLedger.sol";
import {Seal} from "../interfaces/ISealRegistry.sol";
import {OrganisationCode} from "../libraries/OrganisationCode.sol";
import {Statements} from "../libraries/Statements.sol";
import {CertificateWriter} from "./CertificateWriter.sol";
import {FakeSuite} from "./FakeSuite.sol";
import {TestBase} from "./TestBase.sol";

/// @title The contracts with a fake suite, a unit project and its five parties; this contract holds every role
abstract contract LedgerFixture is TestBase {
    uint64 internal constant START = 1_800_000_000;
    bytes18 internal constant ARCHIVE = "12440100455350000A";

    FakeSuite internal suite;
    AuthorityRegistry internal authorities;
    SealRegistry internal seals;
    bytes internal issuer;
    bytes internal issuerKey;
    ProjectRegistry internal projects;
    ArchiveLedger internal ledger;

    bytes32 internal building;
    bytes32 internal unit;
    /// @dev Certificates by role; 5 is the archive's, 6 a stranger's.
    bytes32[7] internal certificates;
    bytes18[7] internal organisations;

    /// @dev Deploys and registers everything.
    function _deploy() internal {
        vm.warp(START);
        suite = new FakeSuite();
        authorities = new AuthorityRegistry(address(this), suite);
        seals = new SealRegistry(address(this), authorities);
        issuer = CertificateWriter.name("CA");
        issuerKey = CertificateWriter.key(1000);
        authorities.addAuthority(CertificateWriter.authority("CA", issuerKey, START - 365 days, START + 2000 days));
        projects = new ProjectRegistry(address(this));
        ledger = new ArchiveLedger(address(this), seals, projects, ARCHIVE);
        seals.addSuite(1, suite);
        seals.grantRole(seals.REGISTRAR_ROLE(), address(this));
        projects.grantRole(projects.REGISTRAR_ROLE(), address(this));
        ledger.grantRole(ledger.RELAYER_ROLE(), address(this));
        organisations = [
            bytes18("91440101MA59A00011"),
            "91440101MA59A00022",
            "91440101MA59A00033",
            "91440101MA59A00044",
            "91440101MA59A00055",
            ARCHIVE,
            "91440101MA59A00066"
        ];
        for (uint256 i = 0; i < 7; ++i) certificates[i] = seals.registerCertificate(_certificate(i));
        building = sha256('yunshang/building/v1\x00["yunshang","GZ-0001"]');
        projects.registerBuilding(building, "yunshang", "GZ-0001");
        unit = _registerUnit("01");
    }

    /// @dev A unit project of the building with the five parties as its roster.
    function _registerUnit(string memory code) internal returns (bytes32 key) {
        key = sha256(abi.encodePacked('yunshang/unit-project/v1\x00["', _hex(building), '","', code, '"]'));
        projects.registerUnitProject(building, key, code, "name");
        projects.setRoster(key, _five(), 0);
    }

    /// @dev The i-th certificate, DER.
    function _certificate(uint256 i) internal view returns (bytes memory) {
        return _certificate(uint160(i + 1), i, START - 1000, START + 1000 days);
    }

    /// @dev A certificate of the i-th organisation and its key, under some serial, of some validity.
    function _certificate(
        uint160 serial,
        uint256 i,
        uint64 notBefore,
        uint64 notAfter
    ) internal view returns (bytes memory) {
        bytes18 organisation = organisations[i < 7 ? i : 6];
        bytes memory key = CertificateWriter.key(i);
        return CertificateWriter.sealing(issuer, issuerKey, serial, organisation, key, notBefore, notAfter);
    }

    /// @dev The five parties' codes.
    function _five() internal view returns (bytes18[5] memory five) {
        for (uint256 i = 0; i < 5; ++i) five[i] = organisations[i];
    }

    /// @dev A statement that continues the unit project's chain; `salt` makes it unique.
    function _statement(bytes32 unit_, uint256 salt) internal view returns (IArchiveLedger.Submission memory) {
        bytes32 head = ledger.head(unit_);
        return
            IArchiveLedger.Submission({
                buildingKey: building,
                unitProjectKey: unit_,
                rosterHash: projects.unitProject(unit_).rosterHash,
                sequence: ledger.submission(head).sequence + 1,
                previous: head,
                manifestSha256: keccak256(abi.encode("manifest", salt)),
                documentsRoot: keccak256(abi.encode("root", salt)),
                documentCount: uint64(salt % 1000) + 1,
                bimRoot: sha256(""),
                contentCid: abi.encodePacked(hex"01701220", keccak256(abi.encode("content", salt))),
                sealBy: uint64(block.timestamp) + 1 days
            });
    }

    /// @dev The id of a statement.
    function _id(IArchiveLedger.Submission memory statement) internal view returns (bytes32) {
        return keccak256(ledger.submissionPayload(statement));
    }

    /// @dev The struct hash of a statement, without a call.
    function _hash(IArchiveLedger.Submission memory statement) internal pure returns (bytes32) {
        bytes memory members = abi.encode(statement);
        // abi.encode of the struct is a word 0x20, then the members, contentCid as an offset: put its hash there.
        bytes32 cidHash = keccak256(statement.contentCid);
        bytes32[] memory words = new bytes32[](12);
        words[0] = Statements.SUBMISSION;
        for (uint256 i = 1; i < 12; ++i) {
            bytes32 word;
            uint256 offset = 0x20 + 32 * i;
            assembly ("memory-safe") {
                word := mload(add(members, offset))
            }
            words[i] = i == 10 ? cidHash : word;
        }
        return keccak256(abi.encodePacked(words));
    }

    /// @dev The five parties' seals over a statement.
    function _sealAll(IArchiveLedger.Submission memory statement) internal view returns (Seal[5] memory list) {
        bytes memory payload = ledger.submissionPayload(statement);
        for (uint256 i = 0; i < 5; ++i) list[i] = _seal(i, payload);
    }

    /// @dev The seal of the i-th certificate over a payload, made now.
    function _seal(uint256 i, bytes memory payload) internal view returns (Seal memory) {
        uint64 time = uint64(block.timestamp);
        return
            Seal({
                certificateId: certificates[i],
                signingTime: time,
                r: _sign(i, payload, time),
                s: bytes32(i + 1)
            });
    }

    /// @dev The first half of the i-th certificate's "signature", as FakeSuite has it.
    function _sign(uint256 i, bytes memory payload, uint64 time) internal view returns (bytes32) {
        return keccak256(abi.encode(certificates[i], payload, time));
    }

    /// @dev The payload of another statement than a submission.
    function _payload(bytes32 structHash) internal view returns (bytes memory) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Yunshang ArchiveLedger"),
                keccak256("1"),
                block.chainid,
                address(ledger)
            )
        );
        return abi.encodePacked(hex"1901", separator, structHash);
    }

    /// @dev Accepts a submission with the seal of the i-th certificate.
    function _accept(bytes32 id, string memory number, uint256 i) internal {
        bytes32 structHash = keccak256(abi.encode(Statements.ACCEPTANCE, id, keccak256(bytes(number))));
        ledger.accept(id, number, _cid(), _seal(i, _payload(structHash)));
    }

    /// @dev Returns a submission with the seal of the i-th certificate.
    function _return(bytes32 id, uint256 i) internal {
        bytes32 structHash = keccak256(abi.encode(Statements.RETURN, id, bytes32("reasons")));
        ledger.returnToParties(id, "reasons", _cid(), _seal(i, _payload(structHash)));
    }

    /// @dev Withdraws a statement of the five parties as a role with the seal of the i-th certificate.
    function _withdraw(IArchiveLedger.Submission memory statement, uint8 role, uint256 i) internal {
        _withdraw(statement, _five(), role, i);
    }

    /// @dev The same for another roster.
    function _withdraw(
        IArchiveLedger.Submission memory statement,
        bytes18[5] memory roster,
        uint8 role,
        uint256 i
    ) internal {
        bytes32 id = keccak256(_payload(_hash(statement)));
        bytes32 structHash = keccak256(abi.encode(Statements.WITHDRAWAL, id, bytes32("reason")));
        ledger.withdraw(statement, "reason", role, roster, _seal(i, _payload(structHash)));
    }

    /// @dev The CID of some file.
    function _cid() internal pure returns (bytes memory) {
        return abi.encodePacked(hex"01551220", keccak256("file"));
    }

    /// @dev Whether a record was made by a submission.
    function _isRecorded(IArchiveLedger.Status status) internal pure returns (bool) {
        return status != IArchiveLedger.Status.None && status != IArchiveLedger.Status.Withdrawn;
    }

    /// @dev 64 lowercase hex digits.
    function _hex(bytes32 word) internal pure returns (string memory) {
        bytes memory text = new bytes(64);
        for (uint256 i = 0; i < 64; ++i) {
            uint256 digit = (uint256(word) >> (252 - 4 * i)) & 0x0f;
            text[i] = bytes1(uint8(digit < 10 ? 48 + digit : 87 + digit));
        }
        return string(text);
    }
}
