// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";

/**
 * @title Strict DER: elements are taken one after the other, and whatever BER allows beyond DER is refused
 * @notice An input is always the rest of an enclosing element, so nothing reaches outside of it and nobody hands in an
 * offset. Source: ITU-T X.690 (02/2021) clauses 8 to 11; RFC 5280 section 4.1.2.5 for times.
 */
library Der {
    bytes1 internal constant BOOLEAN = 0x01;
    bytes1 internal constant INTEGER = 0x02;
    bytes1 internal constant BIT_STRING = 0x03;
    bytes1 internal constant OCTET_STRING = 0x04;
    bytes1 internal constant OBJECT_IDENTIFIER = 0x06;
    bytes1 internal constant ENUMERATED = 0x0a;
    bytes1 internal constant UTF8_STRING = 0x0c;
    bytes1 internal constant PRINTABLE_STRING = 0x13;
    bytes1 internal constant UTC_TIME = 0x17;
    bytes1 internal constant GENERALIZED_TIME = 0x18;
    bytes1 internal constant SEQUENCE = 0x30;
    bytes1 internal constant SET = 0x31;

    /**
     * @notice Takes one element.
     * @param input What is left of the enclosing element.
     * @param tag The identifier octet that must come next.
     * @return content The element's content.
     * @return rest What follows it.
     */
    function take(bytes calldata input, bytes1 tag) internal pure returns (bytes calldata content, bytes calldata rest) {
        unchecked {
            if (input.length < 2 || input[0] != tag) revert IInputErrors.MalformedDer(tag, input.length);
            uint256 length = uint8(input[1]);
            uint256 start = 2;
            if (length > 0x7f) {
                // 0x80 is the indefinite form. Three octets of length are enough for what fits into a block.
                uint256 octets = length & 0x7f;
                start += octets;
                if (octets == 0 || octets > 3 || input.length < start) {
                    revert IInputErrors.MalformedDer(tag, input.length);
                }
                length = uint256(uint24(bytes3(input[2:start])) >> (8 * (3 - octets)));
                if (length < 0x80 || length >> (8 * (octets - 1)) == 0) {
                    revert IInputErrors.MalformedDer(tag, input.length);
                }
            }
            if (length > input.length - start) revert IInputErrors.MalformedDer(tag, input.length);
            return (input[start:start + length], input[start + length:]);
        }
    }

    /**
     * @notice Takes one element as it is.
     * @param input What is left of the enclosing element.
     * @param tag The identifier octet that must come next.
     * @return element The element, identifier and length included.
     * @return rest What follows it.
     */
    function takeWhole(
        bytes calldata input,
        bytes1 tag
    ) internal pure returns (bytes calldata element, bytes calldata rest) {
        (, rest) = take(input, tag);
        element = input[:input.length - rest.length];
    }

    /**
     * @notice Takes one element that fills its enclosing element.
     * @param input The enclosing element's content.
     * @param tag The identifier octet.
     * @return content The element's content.
     */
    function only(bytes calldata input, bytes1 tag) internal pure returns (bytes calldata content) {
        bytes calldata rest;
        (content, rest) = take(input, tag);
        finish(rest);
    }

    /// @notice Refuses anything left over.
    /// @param rest What is left.
    function finish(bytes calldata rest) internal pure {
        if (rest.length != 0) revert IInputErrors.TrailingBytes(rest.length);
    }

    /// @notice Whether an element of this kind comes next.
    /// @param input What is left of the enclosing element.
    /// @param tag The identifier octet.
    /// @return True if it does.
    function startsWith(bytes calldata input, bytes1 tag) internal pure returns (bool) {
        return input.length != 0 && input[0] == tag;
    }

    /**
     * @notice Takes an INTEGER from 0 to 2^256 - 1.
     * @param input What is left of the enclosing element.
     * @return value The number.
     * @return rest What follows it.
     */
    function takeUint(bytes calldata input) internal pure returns (uint256 value, bytes calldata rest) {
        bytes calldata content;
        (content, rest) = take(input, INTEGER);
        value = toUint(content);
    }

    /**
     * @notice Reads the content of an INTEGER or ENUMERATED from 0 to 2^256 - 1.
     * @param content Big-endian, in the fewest octets.
     * @return The number.
     */
    function toUint(bytes calldata content) internal pure returns (uint256) {
        unchecked {
            uint256 length = content.length;
            if (length == 0 || length > 33 || content[0] > 0x7f) revert IInputErrors.MalformedInteger(content);
            if (length > 1 && content[0] == 0) {
                if (content[1] < 0x80) revert IInputErrors.MalformedInteger(content);
                content = content[1:];
                --length;
            }
            if (length > 32) revert IInputErrors.MalformedInteger(content);
            return uint256(bytes32(content)) >> (8 * (32 - length));
        }
    }

    /**
     * @notice Takes a Time: UTCTime up to 2049, GeneralizedTime from 2050 on, in whole seconds and UTC.
     * @param input What is left of the enclosing element.
     * @return time Unix seconds.
     * @return rest What follows it.
     */
    function takeTime(bytes calldata input) internal pure returns (uint64 time, bytes calldata rest) {
        bytes calldata content;
        if (startsWith(input, UTC_TIME)) {
            (content, rest) = take(input, UTC_TIME);
            if (content.length != 13) revert IInputErrors.MalformedTime(content);
            uint256 year = _number(content, 0);
            // Two digits from 50 on are of the twentieth century.
            return (_time(content[2:], year < 50 ? 2000 + year : 1900 + year), rest);
        }
        (content, rest) = take(input, GENERALIZED_TIME);
        time = generalizedTime(content);
        if (time <= LATEST_UTC_TIME) revert IInputErrors.MalformedTime(content);
    }

    /**
     * @notice Reads the content of a GeneralizedTime of any year from 1970 on, in whole seconds and UTC.
     * @param content YYYYMMDDHHMMSSZ.
     * @return Unix seconds.
     */
    function generalizedTime(bytes calldata content) internal pure returns (uint64) {
        if (content.length != 15) revert IInputErrors.MalformedTime(content);
        return _time(content[4:], 100 * _number(content, 0) + _number(content, 2));
    }

    /// @dev 2049-12-31T23:59:59Z, the last second that must be a UTCTime.
    uint64 private constant LATEST_UTC_TIME = 2_524_607_999;

    /// @dev Unix seconds of MMDDHHMMSSZ in a year. Source of the days: the proleptic Gregorian calendar, in eras of 400
    /// years that begin in March.
    function _time(bytes calldata text, uint256 year) private pure returns (uint64) {
        unchecked {
            uint256 month = _number(text, 0);
            uint256 day = _number(text, 2);
            uint256 second = _number(text, 4) * 3600 + _number(text, 6) * 60 + _number(text, 8);
            bool wrong = month == 0 || month > 12 || day == 0 || day > _daysOf(month, year) || year < 1970;
            if (wrong || _number(text, 4) > 23 || _number(text, 6) > 59 || _number(text, 8) > 59 || text[10] != "Z") {
                revert IInputErrors.MalformedTime(text);
            }
            if (month < 3) {
                month += 12;
                --year;
            }
            uint256 dayNumber = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1;
            return uint64((dayNumber - 719_468) * 86_400 + second);
        }
    }

    /// @dev The number of days of a month.
    function _daysOf(uint256 month, uint256 year) private pure returns (uint256) {
        if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
        return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }

    /// @dev Two decimal digits.
    function _number(bytes calldata text, uint256 start) private pure returns (uint256) {
        unchecked {
            uint256 tens = uint256(uint8(text[start])) - 0x30;
            uint256 ones = uint256(uint8(text[start + 1])) - 0x30;
            if (tens > 9 || ones > 9) revert IInputErrors.MalformedTime(text);
            return 10 * tens + ones;
        }
    }
}
