// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";
import {CmsSeal} from "../libraries/CmsSeal.sol";
import {TestBase} from "./TestBase.sol";

contract CmsSealTest is TestBase {
    /// @notice The library's function as a call, so that its revert can be expected.
    function utcTime(uint64 time) external pure returns (bytes13) {
        return CmsSeal.utcTime(time);
    }

    function test_WritesTheBytesOfFormatsSection7() public pure {
        bytes memory expected = abi.encodePacked(
            hex"3181a2",
            hex"301806092a864886f70d010903310b06092a864886f70d010701",
            hex"301c06092a864886f70d010905310f170d",
            "261122080000Z",
            hex"302f06092a864886f70d01090431220420",
            keccak256("digest"),
            hex"3037060b2a864886f70d010910022f31283026302430220420",
            keccak256("certificate")
        );
        bytes memory built = CmsSeal.attributes(1_795_334_400, keccak256("digest"), keccak256("certificate"));
        assertTrue(built.length == 165, "length");
        assertTrue(keccak256(built) == keccak256(expected), "bytes");
    }

    function test_WritesTimesAtTheEdges() public pure {
        assertTrue(CmsSeal.utcTime(0) == "700101000000Z", "epoch");
        assertTrue(CmsSeal.utcTime(951_782_399) == "000228235959Z", "before the leap day of 2000");
        assertTrue(CmsSeal.utcTime(951_782_400) == "000229000000Z", "leap day of 2000");
        assertTrue(CmsSeal.utcTime(951_868_800) == "000301000000Z", "after the leap day of 2000");
        assertTrue(CmsSeal.utcTime(1_798_761_599) == "261231235959Z", "end of 2026");
        assertTrue(CmsSeal.utcTime(2_524_607_999) == "491231235959Z", "end of 2049");
    }

    function test_RefusesTimesFrom2050On() public {
        vm.expectRevert(abi.encodeWithSelector(IInputErrors.TimeOutsideUtcTime.selector, 2_524_608_000));
        this.utcTime(2_524_608_000);
    }

    function testFuzz_WritesEveryTime(uint64 time) public pure {
        time %= CmsSeal.LATEST_UTC_TIME + 1;
        // A second opinion that counts years and months one by one.
        uint256 day = time / 86_400;
        uint256 year = 1970;
        while (day >= (year % 4 == 0 ? 366 : 365)) day -= year++ % 4 == 0 ? 366 : 365;
        uint8[12] memory lengths = [31, year % 4 == 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        uint256 month = 0;
        while (day >= lengths[month]) day -= lengths[month++];
        bytes memory expected = abi.encodePacked(
            _two(year % 100),
            _two(month + 1),
            _two(day + 1),
            _two((time / 3600) % 24),
            _two((time / 60) % 60),
            _two(time % 60),
            "Z"
        );
        assertTrue(CmsSeal.utcTime(time) == bytes13(expected), "time");
    }

    /// @dev Two digits.
    function _two(uint256 number) private pure returns (bytes2) {
        return bytes2(abi.encodePacked(uint8(48 + number / 10), uint8(48 + (number % 10))));
    }
}
