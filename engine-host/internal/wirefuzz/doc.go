// Package wirefuzz holds fuzz targets for what the engine host reads from the network with the library's own code.
package wirefuzz
