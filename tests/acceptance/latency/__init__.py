"""From a change at the vendor to its sight in the portal, on the running stack."""
