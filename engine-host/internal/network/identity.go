package network

import (
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

// historyDays and historyMegabytes keep the phone from preparing more history than is imported.
const (
	historyDays      = 30
	historyMegabytes = 64
)

// Apply sets what whatsmeow keeps per process: the name shown in the phone's list of devices, how much history is asked
// for, and for a simulated network the key that signs its certificates. It is called once, before the first session.
func (n *Network) Apply(deviceName string) {
	store.SetOSInfo(deviceName, [3]uint32{1, 0, 0})
	store.DeviceProps.PlatformType = waCompanionReg.DeviceProps_CHROME.Enum()
	store.DeviceProps.RequireFullSync = proto.Bool(false)
	config := store.DeviceProps.HistorySyncConfig
	config.FullSyncDaysLimit = proto.Uint32(historyDays)
	config.RecentSyncDaysLimit = proto.Uint32(historyDays)
	config.FullSyncSizeMbLimit = proto.Uint32(historyMegabytes)
	config.StorageQuotaMb = proto.Uint32(historyMegabytes)
	if n.Simulated {
		whatsmeow.WACertPubKey = n.RootKey
	}
}
