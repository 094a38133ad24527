// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";

/**
 * @title The one template of an e-seal's signed attributes (formats section 7)
 * @notice CAdES-BES signed attributes as a DER SET OF: content-type, signing-time, message-digest and
 * signing-certificate-v2. They are built, never parsed, so there is no second encoding to accept.
 * Source: RFC 5652 section 5.4 and 11, RFC 5035 section 4.
 */
library CmsSeal {
    /// @notice 2049-12-31T23:59:59Z, the last second a UTCTime can name (RFC 5280 section 4.1.2.5.1).
    uint64 internal constant LATEST_UTC_TIME = 2_524_607_999;

    // Words and not `bytes`, which would be copied in loops.

    /// @dev SET, content-type: id-data, and signing-time up to its value; in two pieces.
    bytes32 private constant HEAD = hex"3181a2301806092a864886f70d010903310b06092a864886f70d010701301c06";
    bytes14 private constant HEAD_END = hex"092a864886f70d010905310f170d";

    /// @dev message-digest up to its value.
    bytes17 private constant DIGEST = hex"302f06092a864886f70d01090431220420";

    /// @dev signing-certificate-v2 (ESSCertIDv2 without hashAlgorithm and issuerSerial) up to its value.
    bytes25 private constant CERTIFICATE = hex"3037060b2a864886f70d010910022f31283026302430220420";

    /**
     * @notice Builds the signed attributes.
     * @param signingTime Unix seconds, up to {LATEST_UTC_TIME}; times before 1970 can't be expressed.
     * @param messageDigest Digest of the sealed payload, 32 bytes.
     * @param certificateId SHA-256 of the certificate's DER.
     * @return The 165 bytes that are hashed and signed.
     */
    function attributes(
        uint64 signingTime,
        bytes32 messageDigest,
        bytes32 certificateId
    ) internal pure returns (bytes memory) {
        bytes13 time = utcTime(signingTime);
        return abi.encodePacked(HEAD, HEAD_END, time, DIGEST, messageDigest, CERTIFICATE, certificateId);
    }

    /**
     * @notice Writes a time as the value of a DER UTCTime, YYMMDDHHMMSSZ.
     * @param time Unix seconds, up to {LATEST_UTC_TIME}.
     * @return The 13 ASCII characters.
     */
    function utcTime(uint64 time) internal pure returns (bytes13) {
        if (time > LATEST_UTC_TIME) revert IInputErrors.TimeOutsideUtcTime(time);
        unchecked {
            uint256 second = time % 86_400;
            // Days from 1968-03-01 on: a four-year cycle that starts in March ends with its leap day, and every
            // fourth year is one until 2049 (2000 included).
            uint256 day = time / 86_400 + 671;
            uint256 year = ((day % 1461) * 4 + 3) / 1461; // within the cycle, starting in March
            uint256 dayOfYear = (day % 1461) - 365 * year;
            year += (day / 1461) * 4 + 68;
            uint256 month = (5 * dayOfYear + 2) / 153; // 0 is March
            day = dayOfYear - (153 * month + 2) / 5 + 1;
            if (month < 10) {
                month += 3;
            } else {
                month -= 9;
                ++year;
            }
            uint256 text = _digits(year % 100);
            text = (text << 16) | _digits(month);
            text = (text << 16) | _digits(day);
            text = (text << 16) | _digits(second / 3600);
            text = (text << 16) | _digits((second / 60) % 60);
            text = (text << 16) | _digits(second % 60);
            return bytes13(uint104((text << 8) | 0x5a));
        }
    }

    /// @dev Two ASCII digits of a number below 100.
    function _digits(uint256 number) private pure returns (uint256) {
        unchecked {
            return 0x3030 + ((number / 10) << 8) + (number % 10);
        }
    }
}
