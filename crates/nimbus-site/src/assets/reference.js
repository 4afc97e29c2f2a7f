"use strict";

// Draws the document that the page names. Requests go to where the page came from, and nowhere else.
(async () => {
  const place = document.getElementById("reference");
  const { document: path, mayTry } = place.dataset;
  const response = await fetch(path);
  if (!response.ok) {
    place.textContent = `The document did not come (${response.status}). Please load the page again.`;
    return;
  }
  const spec = await response.json();
  const root = new URL(spec.servers?.[0]?.url ?? "/", location.href).pathname.replace(/\/$/, "");
  spec.servers = [{ url: root || "/" }];
  SwaggerUIBundle({
    spec,
    domNode: place,
    deepLinking: true,
    filter: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    requestSnippetsEnabled: true,
    persistAuthorization: false,
    validatorUrl: null,
    supportedSubmitMethods: mayTry === "true" ? ["get", "post", "put", "patch", "delete"] : [],
  });
})();
