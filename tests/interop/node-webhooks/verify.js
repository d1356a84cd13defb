// Verifies posts that were received, given as JSON on standard input; prints a verdict for each.
const fs = require("fs");
const { Webhook } = require("standardwebhooks");
const { EventWebhook } = require("@sendgrid/eventwebhook");

function verdict({ format, secret, headers, body }) {
  try {
    if (format === "standard") {
      new Webhook(secret).verify(body, headers);
      return { ok: true };
    }
    const hook = new EventWebhook();
    const key = hook.convertPublicKeyToECDSA(secret);
    const signature = headers["x-twilio-email-event-webhook-signature"];
    const timestamp = headers["x-twilio-email-event-webhook-timestamp"];
    return { ok: hook.verifySignature(key, body, signature, timestamp) };
  } catch (error) {
    return { ok: false, why: String(error.message) };
  }
}

console.log(JSON.stringify(JSON.parse(fs.readFileSync(0, "utf8")).map(verdict)));
