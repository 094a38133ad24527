// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";
import {CmsSeal} from "../libraries/CmsSeal.sol";
import {Der} from "../libraries/Der.sol";
import {CertificateWriter} from "./CertificateWriter.sol";
import {TestBase} from "./TestBase.sol";

contract DerTest is TestBase {
    /// @notice The library's function with calldata.
    function take(bytes calldata input, bytes1 tag) external pure returns (bytes memory, bytes memory) {
        (bytes calldata content, bytes calldata rest) = Der.take(input, tag);
        return (content, rest);
    }

    /// @notice The library's function with calldata.
    function takeUint(bytes calldata input) external pure returns (uint256 value) {
        bytes calldata rest;
        (value, rest) = Der.takeUint(input);
        Der.finish(rest);
    }

    /// @notice The library's function with calldata.
    function takeTime(bytes calldata input) external pure returns (uint64 time) {
        (time, ) = Der.takeTime(input);
    }

    /// @notice The library's function with calldata.
    function generalizedTime(bytes calldata content) external pure returns (uint64) {
        return Der.generalizedTime(content);
    }

    function testFuzz_TakesWhatWasWritten(bytes memory content, bytes memory following, uint8 tag) public view {
        bytes memory input = abi.encodePacked(CertificateWriter.element(tag, content), following);
        (bytes memory found, bytes memory rest) = this.take(input, bytes1(tag));
        assertTrue(keccak256(found) == keccak256(content), "content");
        assertTrue(keccak256(rest) == keccak256(following), "rest");
    }

    function testFuzz_RefusesLengthsBeyondTheInput(uint16 length, uint16 missing, uint8 tag) public {
        if (length == 0) return;
        uint256 lost = 1 + (uint256(missing) % length);
        bytes memory whole = CertificateWriter.element(tag, new bytes(length));
        bytes memory input = new bytes(whole.length - lost);
        for (uint256 i = 0; i < input.length; ++i) input[i] = whole[i];
        vm.expectRevert(
            abi.encodeWithSelector(IInputErrors.MalformedDer.selector, bytes1(tag), input.length)
        );
        this.take(input, bytes1(tag));
    }

    function test_RefusesOtherFormsOfALength() public {
        bytes[8] memory inputs = [
            bytes(hex"3080"),
            hex"30810100",
            hex"30817f",
            hex"30820001aa",
            hex"308200ff",
            hex"30830000ff",
            hex"308400000001aa",
            hex"30ff"
        ];
        for (uint256 i = 0; i < inputs.length; ++i) {
            bytes memory input = abi.encodePacked(inputs[i], new bytes(300));
            vm.expectRevert(
                abi.encodeWithSelector(IInputErrors.MalformedDer.selector, bytes1(0x30), input.length)
            );
            this.take(input, 0x30);
        }
    }

    function testFuzz_ReadsEveryInteger(uint256 value) public view {
        assertTrue(this.takeUint(CertificateWriter.integer(value)) == value, "value");
    }

    function testFuzz_RefusesIntegersWrittenOtherwise(bytes memory content) public {
        if (content.length > 34) return;
        bytes memory input = CertificateWriter.element(0x02, content);
        uint256 value = 0;
        for (uint256 i = 0; i < content.length && content.length < 33; ++i) value = (value << 8) | uint8(content[i]);
        bool minimal = keccak256(CertificateWriter.integer(value)) == keccak256(input);
        if (!minimal && content.length < 33) {
            vm.expectRevert(abi.encodeWithSelector(IInputErrors.MalformedInteger.selector, content));
        }
        if (content.length < 33) this.takeUint(input);
    }

    function testFuzz_ReadsEveryTime(uint64 seed) public view {
        uint64 time = seed % (CmsSeal.LATEST_UTC_TIME + 1);
        bytes13 text = CmsSeal.utcTime(time);
        assertTrue(this.takeTime(abi.encodePacked(hex"170d", text)) == time, "UTCTime");
        bytes2 century = time < 946_684_800 ? bytes2("19") : bytes2("20");
        assertTrue(this.generalizedTime(abi.encodePacked(century, text)) == time, "GeneralizedTime");
    }

    function test_ReadsTimesAtTheEdges() public view {
        assertTrue(this.takeTime("\x18\x0f20500101000000Z") == 2_524_608_000, "2050");
        assertTrue(this.takeTime("\x18\x0f21000228235959Z") == 4_107_542_399, "no leap year");
        assertTrue(this.takeTime("\x18\x0f24000229000000Z") == 13_574_563_200, "a leap year");
        assertTrue(this.takeTime("\x18\x0f99991231235959Z") == 253_402_300_799, "no well-defined end");
    }

    function test_RefusesTimesThatAreNone() public view {
        string[12] memory texts = [
            "20491231235959Z", // must be a UTCTime
            "21000229000000Z",
            "20510431000000Z",
            "20511301000000Z",
            "20510001000000Z",
            "20510100000000Z",
            "20510132000000Z",
            "20510101240000Z",
            "20510101006000Z",
            "20510101000060Z",
            "2051010100000aZ",
            "20510101000000z"
        ];
        for (uint256 i = 0; i < texts.length; ++i) {
            try this.takeTime(abi.encodePacked(hex"180f", texts[i])) {
                assertTrue(false, texts[i]);
            } catch {}
        }
        try this.takeTime("\x17\x0d691231235959Z") {
            assertTrue(false, "before 1970");
        } catch {}
        try this.takeTime("\x17\x0b2701010000Z") {
            assertTrue(false, "without seconds");
        } catch {}
    }
}
