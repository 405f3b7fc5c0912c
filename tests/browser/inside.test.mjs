// Stories of people who are signed in, and of what goes wrong.
import "./account.mjs";
import "./sign_out.mjs";
import "./errors.mjs";
import "./answers.mjs";
