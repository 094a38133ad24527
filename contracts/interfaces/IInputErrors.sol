// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Errors on malformed values, raised by the libraries on behalf of every contract
interface IInputErrors {
    /// @notice Not eighteen characters out of 0-9 and A-Z. The check digit is checked off chain.
    error MalformedOrganisation(bytes18 organisation);

    /// @notice The text is empty or holds a control character.
    error MalformedText(string text);

    /// @notice What is left of an enclosing element, `left` bytes, doesn't begin with a DER element of this tag.
    error MalformedDer(bytes1 tag, uint256 left);

    /// @notice So many bytes follow where an element had to end.
    error TrailingBytes(uint256 left);

    /// @notice The integer is negative, longer than it has to be, or has more than 256 bits.
    error MalformedInteger(bytes content);

    /// @notice The time is not of the calendar, not in UTC and whole seconds, before 1970, or in the form of other years.
    error MalformedTime(bytes text);

    /// @notice The time can't be written as a UTCTime: it lies after 2049-12-31T23:59:59Z.
    error TimeOutsideUtcTime(uint64 time);
}
