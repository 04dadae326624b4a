// Read a QR code from a picture with the browser's own detector, where it has one.

export async function readQr(picture) {
  if (!("BarcodeDetector" in window)) {
    throw new Error("This browser cannot read QR codes from pictures. Copy the text of the QR code instead.");
  }
  let image;
  try {
    image = await createImageBitmap(picture);
  } catch {
    throw new Error("This file is no picture.");
  }
  const found = await new BarcodeDetector({ formats: ["qr_code"] }).detect(image);
  if (found.length === 0) throw new Error("There is no readable QR code in this picture.");
  return found[0].rawValue;
}
