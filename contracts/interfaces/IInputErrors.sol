// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title Errors on malformed values, raised by the libraries on behalf of every contract
interface IInputErrors {
    /// @notice Not eighteen characters out of 0-9 and A-Z. The check digit is the registrar's business.
    error MalformedOrganisation(bytes18 organisation);

    /// @notice The text is empty or holds a control character.
    error MalformedText(string text);

    /// @notice The time can't be written as a UTCTime: it lies after 2049-12-31T23:59:59Z.
    error TimeOutsideUtcTime(uint64 time);
}
