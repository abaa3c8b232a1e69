/* Lets ReDoc draw the OAS document of this API, in the colours of the other pages. */
"use strict";

{
  const nonce = document.currentScript.nonce;
  const place = document.getElementById("redoc");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const font = "system-ui, sans-serif";
  const mono = 'ui-monospace, "DejaVu Sans Mono", monospace';

  const options = {
    // the styles that ReDoc makes are allowed by it
    nonce,
    // it needs a worker that is made of a text, and there are only a few operations
    disableSearch: true,
    hideDownloadButtons: false,
    sortRequiredPropsFirst: false,
    expandResponses: "",
    labels: {
      arrayOf: "Lijst van ",
      callbackResponses: "Antwoorden",
      const: "Waarde",
      default: "Standaard",
      deprecated: "Verouderd",
      download: "Ophalen",
      downloadSpecification: "OAS-document",
      enum: "Een van",
      enumArray: "Elk een van",
      enumSingleValue: "Waarde",
      example: "Voorbeeld",
      examples: "Voorbeelden",
      noResultsFound: "Niets gevonden",
      recursive: "Herhaald",
      requestSamples: "Voorbeeld van een verzoek",
      responseSamples: "Voorbeeld van een antwoord",
      responses: "Antwoorden",
      webhook: "Webhook",
    },
    theme: {
      colors: {
        primary: { main: colour("--blue") },
        success: { main: colour("--good") },
        error: { main: colour("--bad") },
        text: { primary: colour("--ink"), secondary: colour("--soft") },
      },
      typography: {
        fontFamily: font,
        headings: { fontFamily: font },
        code: { fontFamily: mono },
      },
    },
  };
  Redoc.init(place.dataset.document, options, place);
}
