// Stories of people on their way in.
import "./sign_in.mjs";
import "./consent.mjs";
import "./keyboard.mjs";
