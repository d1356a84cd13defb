// Sends what it is told to, as JSON on standard input; prints what became of it as JSON.
const nodemailer = require("nodemailer");
const fs = require("fs");

async function main() {
  const { transport, messages } = JSON.parse(fs.readFileSync(0, "utf8"));
  if (transport.ca) {
    transport.tls = { ...transport.tls, ca: fs.readFileSync(transport.ca) };
    delete transport.ca;
  }
  const mailer = nodemailer.createTransport(transport);
  const outcomes = await Promise.all(
    messages.map((message) =>
      mailer.sendMail(message).then(
        (info) => ({ accepted: info.accepted, rejected: info.rejected, response: info.response }),
        (error) => ({ code: error.code, responseCode: error.responseCode, text: error.message }),
      ),
    ),
  );
  mailer.close();
  console.log(JSON.stringify(outcomes));
}

main();
